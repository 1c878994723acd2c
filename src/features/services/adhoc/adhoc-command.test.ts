import { expect, test } from 'vitest'
import { readAdhocCommand } from './adhoc-command.ts'

function read(query: Record<string, string>) {
  return readAdhocCommand(new URLSearchParams(query))
}

test('a command is taken apart', () => {
  expect(read({ command: 'npx', args: `-y 'a b'`, env: '{"A":"1"}' })).toEqual({
    command: 'npx',
    args: ['-y', 'a b'],
    env: { A: '1' },
  })
  expect(read({ command: '/bin/cat', env: '' })).toEqual({ command: '/bin/cat', args: [], env: {} })
})

test.each([
  ['no command', {}],
  ['a relative path', { command: './x' }],
  ['a NUL', { command: 'a\0b' }],
  ['a line break in an argument', { command: 'a', args: "'b\nc'" }],
  ['a line break in a value', { command: 'a', env: '{"A":"1\\n2"}' }],
  ['a quote that is not closed', { command: 'a', args: '"' }],
  ['an env that is no JSON', { command: 'a', env: 'A=1' }],
  ['an env that is a list', { command: 'a', env: '[]' }],
  ['a value that is no text', { command: 'a', env: '{"A":1}' }],
  ['a name that no variable can have', { command: 'a', env: '{"A=B":"1"}' }],
  ['a long value', { command: 'a', env: JSON.stringify({ A: 'x'.repeat(4097) }) }],
  ['too much in all', { command: 'a', args: 'x'.repeat(16 * 1024) }],
  ['many variables', { command: 'a', env: JSON.stringify(variables(33)) }],
])('%s is refused', (_what, query) => {
  expect(() => read(query)).toThrow(expect.objectContaining({ code: 'invalid_request' }))
})

test('a parameter that is given twice is refused', () => {
  const query = new URLSearchParams('command=a&command=b')
  expect(() => readAdhocCommand(query)).toThrow('given twice')
})

test('S50 variables that would have other code loaded are dropped, in any case', () => {
  const names = `NODE_OPTIONS NODE_PATH LD_PRELOAD DYLD_INSERT_LIBRARIES PATH BASH_ENV ENV PYTHONPATH
    PERL5OPT RUBYOPT GIT_SSH_COMMAND npm_config_registry NPM_CONFIG_PREFIX SSL_CERT_FILE http_proxy HTTPS_PROXY`
  const env = Object.fromEntries(names.split(/\s+/).map((name) => [name, 'x']))
  expect(read({ command: 'a', env: JSON.stringify({ ...env, KEPT: 'y' }) }).env).toEqual({
    KEPT: 'y',
  })
})

function variables(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`V${at}`, '']))
}
