import { expect, test } from 'vitest'
import {
  nodeProgram,
  openTestProcesses,
  readLines,
  reachState,
  until,
} from '../../../test/support/processes.ts'
import { hasProcessTable } from './process-table.ts'

const MiB = 1024 * 1024
const lineLimits = { memoryBytesMax: null, cpuSecondsMax: null, lineBytesMax: MiB }

test('a line of 300 MB is dropped and logged, held nowhere, and the next one arrives', async () => {
  await using processes = await openTestProcesses()
  const script = `const piece = 'x'.repeat(1024 * 1024)
    let count = 0
    const write = () => {
      while (count++ < 300) if (!process.stdout.write(piece)) return process.stdout.once('drain', write)
      process.stdout.write('\\nafter\\n')
    }
    write()`
  const child = await processes.supervise(nodeProgram(script, { limits: lineLimits })).start()
  const before = process.memoryUsage.rss()
  const lines = readLines(child)
  expect(await lines.next()).toBe('after')
  expect(process.memoryUsage.rss() - before).toBeLessThan(150 * MiB)
  const logged = await processes.logs.read('service', { limit: 10, search: 'DROPPED A LINE' })
  expect(logged).toMatchObject([{ level: 'warn', stream: 'stdout', programId: 'program' }])
})

test('noise on stdout arrives whole and in order', async () => {
  await using processes = await openTestProcesses()
  const script = `let n = 0
    const write = () => {
      while (n < 200000) if (!process.stdout.write('line ' + n++ + '\\n')) return process.stdout.once('drain', write)
    }
    write()`
  const child = await processes.supervise(nodeProgram(script)).start()
  const { seen } = readLines(child)
  await child.exited
  expect(seen).toHaveLength(200_000)
  expect(seen.every((line, index) => line === `line ${index}`)).toBe(true)
})

test('noise on stderr is bounded, and what was dropped is counted', async () => {
  await using processes = await openTestProcesses({ config: { logLinesPerSecondMax: 100 } })
  const script = 'process.stderr.write("noise\\n".repeat(5000)); process.stdin.resume()'
  await processes.supervise(nodeProgram(script)).start()
  let [dropped, kept] = [0, 0]
  await until(async () => {
    const told = await processes.logs.read('service', { limit: 10, search: 'dropped' })
    dropped = told.reduce((sum, { message }) => sum + Number(/\d+/.exec(message)?.[0]), 0)
    kept = (await processes.logs.read('service', { limit: 10_000, search: 'noise' })).length
    return dropped + kept === 5000
  })
  expect(dropped).toBeGreaterThan(0)
  expect(kept).toBeGreaterThanOrEqual(100)
})

test('a line of stderr that is too long is cut', async () => {
  await using processes = await openTestProcesses()
  const script = 'process.stderr.write("x".repeat(100000) + "\\nnext\\n")'
  const child = await processes.supervise(nodeProgram(script)).start()
  const heard: string[] = []
  child.onStderr((line) => heard.push(line))
  const { stderr } = await child.exited
  expect(stderr.map(({ length }) => length)).toEqual([8 * 1024 + 1, 4])
  expect(heard).toEqual(stderr)
})

test.skipIf(!hasProcessTable)(
  'a tree that uses too much memory is ended, and says so',
  async () => {
    await using processes = await openTestProcesses()
    const script = 'globalThis.held = Buffer.alloc(300 * 1024 * 1024, 1); process.stdin.resume()'
    const limits = { ...lineLimits, memoryBytesMax: 200 * MiB }
    const program = processes.supervise(nodeProgram(script, { limits }))
    const child = await program.start()
    expect((await child.exited).error).toMatch(/bytes of memory, more than 209715200/)
    await reachState(program, 'backoff')
    const [line] = await processes.logs.read('service', { limit: 1 })
    expect(line).toMatchObject({ level: 'error', message: expect.stringContaining('of memory') })
  },
)

test.skipIf(!hasProcessTable)('a program that uses too much CPU time is ended', async () => {
  await using processes = await openTestProcesses()
  const limits = { ...lineLimits, cpuSecondsMax: 1 }
  const child = await processes.supervise(nodeProgram('for (;;);', { limits })).start()
  const { error, signal } = await child.exited
  expect(error ?? signal).toMatch(/more than 1 s of CPU time|SIGXCPU/)
})
