import { expect, test } from 'vitest'
import { createLocation, openTestStore } from '../../test/support/store.ts'
import { createPrivateFile } from './data-folder.ts'
import { startSqliteThread } from './sqlite-thread.ts'

/** Answers its first call, as the real thread does when it is ready, and then dies of the second. */
const dyingScript = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort } from 'node:worker_threads'
    let calls = 0
    parentPort.on('message', ({ id }) => {
      if (calls++ > 0) throw new Error('out of luck')
      parentPort.postMessage({ id, outcomes: [] })
    })`)}`,
)

test('a thread that dies fails the calls under way and every later one, and still closes', async () => {
  await using thread = await startSqliteThread('unused', dyingScript)
  const statement = { sql: 'select 1', parameters: [] }
  const calls = await Promise.allSettled([thread.run(statement), thread.run(statement)])
  expect(calls.map((call) => call.status)).toEqual(['rejected', 'rejected'])
  await expect(thread.run(statement)).rejects.toMatchObject({
    code: 'storage_failed',
    cause: { message: 'out of luck' },
  })
})

test('a file that is no database is an error when opening, not later', async () => {
  await using location = await createLocation('sqlite')
  await expect(startSqliteThread(location.dataDir)).rejects.toMatchObject({
    code: 'storage_failed',
  })
})

test('a parameter that cannot be sent fails its own call only', async () => {
  await using location = await createLocation('sqlite')
  const file = `${location.dataDir}/a.db`
  createPrivateFile(file)
  await using thread = await startSqliteThread(file)
  const unsendable = [() => undefined] as never
  await expect(thread.run({ sql: 'select ?', parameters: unsendable })).rejects.toThrow(/cloned/)
  expect((await thread.run({ sql: 'select 7 as n', parameters: [] })).rows).toEqual([{ n: 7 }])
})

test('an integer too large for a number is refused rather than rounded', async () => {
  await using location = await createLocation('sqlite')
  const file = `${location.dataDir}/a.db`
  createPrivateFile(file)
  await using thread = await startSqliteThread(file)
  const query = thread.run({ sql: 'select 9007199254740993 as n', parameters: [] })
  await expect(query).rejects.toMatchObject({ code: 'internal_error' })
})

test('writes reach the disk before they are acknowledged', async () => {
  await using store = await openTestStore()
  await using thread = await startSqliteThread(`${store.location.dataDir}/portico.db`)
  const pragma = async (name: string) => {
    const { rows } = await thread.run({ sql: `pragma ${name}`, parameters: [] })
    return Object.values(rows[0] ?? {})[0]
  }
  const full = 2
  expect(await pragma('journal_mode')).toBe('wal')
  expect(await pragma('synchronous')).toBe(full)
  expect(await pragma('foreign_keys')).toBe(1)
  expect(await pragma('busy_timeout')).toBe(5000)
})
