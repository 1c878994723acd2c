import { expect, test } from 'vitest'
import { loggablePath } from './loggable-path.ts'

test.each([
  ['/ptk_4fzT9', '/[key]'],
  ['/doro-3f0c0b1e-7a50-4f7c-9d55-0d7f4ac1c1aa', '/[key]'],
  ['/QVnXn1b1pP2Yb5Yb9r3g7T', '/[key]'],
  ['/mcp/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln/x', '/mcp/[key]/x'],
  ['/v1/chat/completions', '/v1/chat/completions'],
  [
    '/api/keys/key_1b4e28ba2fa111d2883f0016d3cca427',
    '/api/keys/key_1b4e28ba2fa111d2883f0016d3cca427',
  ],
  ['/healthz', '/healthz'],
  ['/', '/'],
])('S73 writes %s to the log as %s', (path, logged) => {
  expect(loggablePath({ path })).toBe(logged)
})
