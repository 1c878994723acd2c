import { afterEach, expect, test, vi } from 'vitest'
import { runProgram } from './program.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

test('ends with 0 after printing its version', async () => {
  const { exitCode, output } = await run(['version'])
  expect(exitCode).toBe(0)
  expect(output).toMatch(/^portico \d+\.\d+\.\d+ \(Node\.js /)
})

test('ends with 0 after the help that was asked for', async () => {
  expect((await run(['--help'])).exitCode).toBe(0)
})

test.each([[['frobnicate']], [['serve', '--colour']], [['backup']]])(
  'ends with 2 for the wrong usage %j',
  async (args) => {
    expect((await run(args)).exitCode).toBe(2)
  },
)

test('ends with 2 and lists every mistake of the configuration', async () => {
  const { exitCode, errors } = await run([
    'config',
    'check',
    '--port',
    'high',
    '--log-level',
    'loud',
  ])
  expect(exitCode).toBe(2)
  expect(errors).toContain('--port server.port: must be a number')
  expect(errors).toContain('--log-level log.level: must be one of')
})

test('says that the configuration is valid, and what is unwise about it', async () => {
  const { exitCode, output } = await run(['config', 'check', '--host', '0.0.0.0'])
  expect(exitCode).toBe(0)
  expect(output).toContain('The configuration is valid')
  expect(output).toContain('warning: The public listener accepts other machines without TLS')
})

async function run(args: readonly string[]) {
  const lines = { output: '', errors: '' }
  const printTo = (stream: keyof typeof lines) => (text: unknown) => {
    lines[stream] += String(text)
    return true
  }
  vi.spyOn(console, 'log').mockImplementation(printTo('output'))
  vi.spyOn(console, 'error').mockImplementation(printTo('errors'))
  vi.spyOn(process.stdout, 'write').mockImplementation(printTo('output'))
  vi.spyOn(process.stderr, 'write').mockImplementation(printTo('errors'))
  return { exitCode: await runProgram(args), ...lines }
}
