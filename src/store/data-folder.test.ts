import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createLocation } from '../../test/support/store.ts'
import { holdLock } from './data-folder.ts'
import { openStore } from './store.ts'

test('S07 data files are for their owner alone, whatever the umask', async () => {
  await using location = await createLocation('sqlite')
  const dataDir = join(location.dataDir, 'new', 'data')
  await runNode(
    `process.umask(0)
     const store = await openStore({ dataDir: ${JSON.stringify(dataDir)} })
     process.stdout.write('open\\n')
     process.stdin.on('data', () => {})`,
    (child) => child.kill('SIGKILL'),
  )
  expect(modeOf(dataDir)).toBe('700')
  expect(modeOf(join(location.dataDir, 'new'))).toBe('700')
  const files = readdirSync(dataDir)
  expect(files.toSorted()).toEqual([
    'portico.db',
    'portico.db-shm',
    'portico.db-wal',
    'portico.lock',
  ])
  for (const file of files) expect(modeOf(join(dataDir, file))).toBe('600')
})

test('a second process is refused while the first one lives, and let in once it was killed', async () => {
  await using location = await createLocation('sqlite')
  await runNode(
    `await openStore({ dataDir: ${JSON.stringify(location.dataDir)} })
     process.stdout.write('open\\n')`,
    async (child) => {
      await expect(openStore(location)).rejects.toMatchObject({ code: 'store_locked' })
      child.kill('SIGKILL')
    },
  )
  await using store = await openStore(location)
  await store.check()
})

test('two data folders cannot share one database file', async () => {
  await using first = await createLocation('sqlite')
  await using second = await createLocation('sqlite')
  const databaseUrl = join(first.dataDir, 'elsewhere', 'shared.db')
  await using store = await openStore({ ...first, databaseUrl })
  await expect(openStore({ ...second, databaseUrl })).rejects.toMatchObject({
    code: 'store_locked',
  })
  await store.check()
})

test('a lock is free again once it is disposed of', async () => {
  await using location = await createLocation('sqlite')
  const file = join(location.dataDir, 'a.lock')
  {
    using _lock = holdLock(file)
    expect(() => holdLock(file)).toThrow(expect.objectContaining({ code: 'store_locked' }))
  }
  using _lock = holdLock(file)
})

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8)
}

/** Runs a script that prints a line when it is ready; `act` then ends it. */
async function runNode(
  script: string,
  act: (child: ReturnType<typeof spawn>) => unknown,
): Promise<void> {
  const imports = `import { openStore } from ${JSON.stringify(new URL('./store.ts', import.meta.url).href)}\n`
  const child = spawn(
    process.execPath,
    ['--input-type=module-typescript', '-e', imports + script],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  const exited = once(child, 'exit')
  await Promise.race([once(child.stdout!, 'data'), exited])
  await act(child)
  await exited
}
