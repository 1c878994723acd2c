import { afterEach, expect, test, vi } from 'vitest'
import { AppError } from '../lib/errors.ts'
import { reportError } from './report-error.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

test('lists the mistakes of a configuration and asks for exit code 2', () => {
  const { exitCode, text } = report(
    new AppError('invalid_config', 'The configuration has a mistake.', {
      issues: [{ path: 'portico.yaml:2:3 server.port', message: 'must be a number' }],
    }),
  )
  expect(exitCode).toBe(2)
  expect(text).toContain('  portico.yaml:2:3 server.port: must be a number')
})

test('says what to do about an error, the more specific advice first', () => {
  expect(report(new AppError('store_locked', 'The folder is in use.'))).toEqual({
    exitCode: 1,
    text: 'portico: The folder is in use.\nStop it, or use another data folder.',
  })
  expect(report(new AppError('store_locked', 'In use.', { hint: 'Ask Alice.' })).text).toContain(
    'Ask Alice.',
  )
})

test('lets the system explain what it refuses, without a stack', () => {
  const error = Object.assign(
    new Error('listen EADDRINUSE: address already in use 127.0.0.1:8437'),
    {
      code: 'EADDRINUSE',
      syscall: 'listen',
    },
  )
  expect(report(error).text).toBe(
    'portico: listen EADDRINUSE: address already in use 127.0.0.1:8437',
  )
})

test('shows an unforeseen error as it is, and asks for exit code 1', () => {
  const error = new Error('surprise')
  expect(report(error)).toEqual({ exitCode: 1, text: String(error) })
})

function report(error: unknown) {
  const print = vi.spyOn(console, 'error').mockImplementation(() => undefined)
  const exitCode = reportError(error)
  return { exitCode, text: print.mock.calls.map(([line]) => String(line)).join('\n') }
}
