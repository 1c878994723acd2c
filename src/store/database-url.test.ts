import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { parseDatabaseUrl } from './database-url.ts'

test('without a URL the database is a file in the data folder', () => {
  expect(parseDatabaseUrl(undefined, './data')).toEqual({
    engine: 'sqlite',
    file: resolve('data/portico.db'),
  })
})

test.each(['postgres://u:p@db/portico', 'postgresql://db/portico?sslmode=require'])(
  '%s is a server, and its URL is kept as it is',
  (url) => {
    expect(parseDatabaseUrl(url, './data')).toEqual({ engine: 'postgres', url })
  },
)

test.each([
  ['./data/mcp-proxy.db', 'data/mcp-proxy.db'],
  ['/srv/portico.sqlite', '/srv/portico.sqlite'],
  ['sqlite:a.db', 'a.db'],
  ['sqlite://a.db', 'a.db'],
  ['sqlite:///srv/a.db', '/srv/a.db'],
  ['file:./dev.db', 'dev.db'],
  ['file:///srv/a.db?mode=rwc', '/srv/a.db'],
  ['SQLITE:plain-name', 'plain-name'],
])('%s is the file %s', (url, file) => {
  expect(parseDatabaseUrl(url, './data')).toEqual({ engine: 'sqlite', file: resolve(file) })
})

test.each([
  'mysql://u:hunter2@db/portico',
  'mongodb://db/a.db',
  'portico',
  '',
  'sqlite:',
  'file::memory:',
])('“%s” is refused without being repeated', (url) => {
  const parse = () => parseDatabaseUrl(url, './data')
  expect(parse).toThrow(expect.objectContaining({ code: 'invalid_config' }))
  expect(parse).not.toThrow(/hunter2/)
})
