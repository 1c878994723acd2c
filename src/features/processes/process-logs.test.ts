import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { createTestClock } from '../../../test/support/clock.ts'
import { createFolder } from '../../../test/support/processes.ts'
import type { LogLine } from './log-line.ts'
import { createProcessLogs } from './process-logs.ts'

const defaults = { logBytesMax: 1024 * 1024, logLinesPerSecondMax: 50_000 }

async function openLogs(config: Partial<typeof defaults> = {}) {
  const scope = new AsyncDisposableStack()
  const folder = join(scope.use(await createFolder()).path, 'logs')
  const clock = createTestClock()
  const deps = { folder, clock, log: pino({ enabled: false }) }
  const open = () => scope.use(createProcessLogs(deps, () => ({ ...defaults, ...config })))
  return { logs: open(), folder, clock, open, [Symbol.asyncDispose]: () => scope.disposeAsync() }
}

const line = (message: string, level: LogLine['level'] = 'info') =>
  ({ level, stream: 'stderr', message }) as const

const messages = (lines: readonly LogLine[]) => lines.map(({ message }) => message)

test('the newest lines come in the order in which they were written', async () => {
  await using opened = await openLogs()
  const { logs } = opened
  for (const n of [1, 2, 3, 4]) logs.write('a', line(`line ${n}`))
  logs.write('b', line('of another'))
  expect(messages(await logs.read('a', { limit: 3 }))).toEqual(['line 2', 'line 3', 'line 4'])
  expect(await logs.read('nobody', { limit: 3 })).toEqual([])
})

test('lines are found by text, by level, and page by page', async () => {
  await using opened = await openLogs()
  const { logs } = opened
  logs.write('a', line('Token EXPIRED', 'error'))
  logs.write('a', line('fine'))
  logs.write('a', line('expired again', 'warn'))
  const found = await logs.read('a', { limit: 9, search: 'expired' })
  expect(messages(found)).toEqual(['Token EXPIRED', 'expired again'])
  expect(messages(await logs.read('a', { limit: 9, level: 'warn' }))).toHaveLength(2)
  const before = found[1]?.id
  expect(messages(await logs.read('a', { limit: 1, before }))).toEqual(['fine'])
})

test('files stay below their bound, and what is kept reads on across them', async () => {
  await using opened = await openLogs({ logBytesMax: 20_000 })
  const { logs, folder } = opened
  for (let n = 0; n < 1000; n += 1) {
    logs.write('a', line(`line ${n} ${'é'.repeat(20)}`))
    if (n % 50 === 0) await logs.read('a', { limit: 0 })
  }
  const found = await logs.read('a', { limit: 10_000 })
  const numbers = messages(found).map((message) => Number(message.split(' ')[1]))
  expect(numbers.length).toBeGreaterThan(100)
  expect(numbers).toEqual(numbers.map((_, index) => 1000 - numbers.length + index))
  expect((await readdir(folder)).toSorted()).toEqual(['a.1.jsonl', 'a.jsonl'])
  for (const name of await readdir(folder)) {
    const { size, mode } = await stat(join(folder, name))
    expect(size).toBeLessThanOrEqual(20_000)
    expect(mode & 0o777).toBe(0o600)
  }
  expect((await stat(folder)).mode & 0o777).toBe(0o700)
})

test('lines longer than a block of the file are read whole', async () => {
  await using opened = await openLogs()
  const { logs } = opened
  // Each of these characters takes six bytes as JSON.
  const long = '\u0001'.repeat(8 * 1024)
  for (let n = 0; n < 5; n += 1) logs.write('a', line(`${n}${long}`))
  const found = await logs.read('a', { limit: 9 })
  expect(messages(found)).toEqual([0, 1, 2, 3, 4].map((n) => `${n}${long.slice(1)}…`))
})

test('a line that a crash has cut is left out', async () => {
  await using opened = await openLogs()
  const { logs, folder } = opened
  logs.write('a', line('whole'))
  await logs.read('a', { limit: 1 })
  await writeFile(join(folder, 'a.jsonl'), '{"id":1,"at":2,"lev', { flag: 'a' })
  expect(messages(await logs.read('a', { limit: 9 }))).toEqual(['whole'])
})

test('beyond so many a second lines are dropped and counted', async () => {
  await using opened = await openLogs({ logLinesPerSecondMax: 10 })
  const { logs, clock } = opened
  for (let n = 0; n < 25; n += 1) logs.write('a', line(`line ${n}`))
  logs.write('a', { level: 'error', stream: 'system', message: 'crashed' })
  clock.advance(1_000)
  logs.write('a', line('later'))
  const found = messages(await logs.read('a', { limit: 99 }))
  expect(found.slice(9)).toEqual(['line 9', 'crashed', 'dropped 15 lines', 'later'])
})

test('who follows hears each line until they end it', async () => {
  await using opened = await openLogs()
  const { logs } = opened
  const heard: string[] = []
  const end = logs.follow('a', ({ message }) => heard.push(message))
  logs.write('a', line('one'))
  end()
  logs.write('a', line('two'))
  expect(heard).toEqual(['one'])
})

test('what is removed is gone, and the log goes on', async () => {
  await using opened = await openLogs()
  const { logs } = opened
  logs.write('a', line('old'))
  await logs.read('a', { limit: 1 })
  logs.write('a', line('waiting'))
  await logs.remove('a')
  logs.write('a', line('new'))
  expect(messages(await logs.read('a', { limit: 9 }))).toEqual(['new'])
})

test('disposal writes what is waiting, and ids go on growing', async () => {
  await using opened = await openLogs()
  const { logs, clock, open } = opened
  logs.write('a', line('one'))
  await logs[Symbol.asyncDispose]()
  clock.advance(1)
  const again = open()
  again.write('a', line('two'))
  const found = await again.read('a', { limit: 9 })
  expect(messages(found)).toEqual(['one', 'two'])
  expect(found[1]?.id).toBeGreaterThan(found[0]?.id ?? Infinity)
})

test('no name of an owner leads out of the folder, and each has files of its own', async () => {
  await using opened = await openLogs()
  const { logs, folder } = opened
  const owners = [
    '../escape',
    '..',
    '',
    'a/b',
    'a\\b',
    'a.b',
    'A',
    'a',
    'a.1',
    'x'.repeat(300),
    'é\0',
  ]
  for (const owner of owners) logs.write(owner, line(owner))
  for (const owner of owners) {
    expect(messages(await logs.read(owner, { limit: 9 }))).toEqual([owner])
  }
  expect(await readdir(folder)).toHaveLength(owners.length)
})
