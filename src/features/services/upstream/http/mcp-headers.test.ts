import fc from 'fast-check'
import { expect, test } from 'vitest'
import { makeRequest } from '../../wire/rpc-message.ts'
import { encodeHeaderValue } from '../../wire/header-value.ts'
import { mirrorHeaders } from './mcp-headers.ts'

test('whatever a name is, its header is plain and means the same', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string().map((inner) => `=?base64?${inner}?=`),
  )
  fc.assert(
    fc.property(text, (name) => {
      const value = encodeHeaderValue(name)
      expect(value).toMatch(/^[\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?$/)
      expect(decode(value)).toBe(name.toWellFormed())
    }),
  )
})

function decode(value: string): string {
  const inner = /^=\?base64\?(.*)\?=$/.exec(value)?.[1]
  return inner === undefined ? value : Buffer.from(inner, 'base64').toString()
}

test('a message says its own version, its method, and what it is about', () => {
  const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' }
  const headersOf = (method: string, params: Record<string, unknown>) =>
    mirrorHeaders(makeRequest('1', method, params), 'assumed')
  expect(headersOf('tools/call', { name: 'a', _meta: meta })).toEqual([
    'mcp-protocol-version',
    '2026-07-28',
    'mcp-method',
    'tools/call',
    'mcp-name',
    'a',
  ])
  expect(headersOf('tasks/get', { taskId: 't' }).slice(-2)).toEqual(['mcp-name', 't'])
  expect(headersOf('tools/list', { name: 'a' })).toEqual([
    'mcp-protocol-version',
    'assumed',
    'mcp-method',
    'tools/list',
  ])
})
