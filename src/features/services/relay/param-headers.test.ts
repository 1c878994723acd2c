import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeHeaderValue } from '../wire/header-value.ts'
import { hasUsableHeaders, paramHeaders } from './param-headers.ts'

function toolWith(properties: Record<string, unknown>): string {
  return JSON.stringify({ name: 't', inputSchema: { type: 'object', properties } })
}

const text = (header: unknown) => ({ type: 'string', 'x-mcp-header': header })
const region = toolWith({ region: text('Region') })

test('parameters with a header are sent, nested ones too', () => {
  const tool = toolWith({
    region: text('Region'),
    place: { type: 'object', properties: { depth: { type: 'integer', 'x-mcp-header': 'Depth' } } },
    isDry: { type: 'boolean', 'x-mcp-header': 'Dry' },
    plain: { type: 'string' },
  })
  expect(hasUsableHeaders(tool)).toBe(true)
  const args = { region: 'eu', place: { depth: 3 }, isDry: false, plain: 'x' }
  expect(paramHeaders(tool, args)).toEqual([
    'Mcp-Param-Region',
    'eu',
    'Mcp-Param-Depth',
    '3',
    'Mcp-Param-Dry',
    'false',
  ])
})

test('what is missing, null or no plain value is not sent', () => {
  expect(paramHeaders(region, {})).toEqual([])
  expect(paramHeaders(region, { region: null })).toEqual([])
  expect(paramHeaders(region, { region: ['eu'] })).toEqual([])
  expect(paramHeaders(toolWith({ region: { type: 'string' } }), { region: 'eu' })).toEqual([])
  expect(paramHeaders('{"name":"t"}', { region: 'eu' })).toEqual([])
})

test('a name that is no token, is not text or is used twice makes a tool unusable', () => {
  expect(hasUsableHeaders(region)).toBe(true)
  expect(hasUsableHeaders(toolWith({ a: text('A B') }))).toBe(false)
  expect(hasUsableHeaders(toolWith({ a: text('A\r\nB: c') }))).toBe(false)
  expect(hasUsableHeaders(toolWith({ a: text('') }))).toBe(false)
  expect(hasUsableHeaders(toolWith({ a: text(7) }))).toBe(false)
  expect(hasUsableHeaders(toolWith({ a: text('Same'), b: text('sAME') }))).toBe(false)
})

test('only text, integers and truth values can be headers', () => {
  const of = (type: unknown) => hasUsableHeaders(toolWith({ a: { type, 'x-mcp-header': 'A' } }))
  expect(['string', 'integer', 'boolean'].map(of)).toEqual([true, true, true])
  expect(['number', 'object', 'array', undefined, ['string']].map(of)).not.toContain(true)
})

test('an annotation that properties do not lead to makes a tool unusable', () => {
  expect(hasUsableHeaders(toolWith({ a: { type: 'array', items: text('A') } }))).toBe(false)
  expect(hasUsableHeaders(toolWith({ a: { anyOf: [text('A')] } }))).toBe(false)
  expect(hasUsableHeaders(toolWith({ a: text('A'), b: { not: text('B') } }))).toBe(false)
})

test('a schema that is nested too deep is not followed', () => {
  let property: Record<string, unknown> = text('Deep')
  for (let depth = 0; depth < 20; depth += 1)
    property = { type: 'object', properties: { a: property } }
  expect(hasUsableHeaders(toolWith({ a: property }))).toBe(false)
})

test('any text arrives as it was, in characters that a header may have', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 50 }), (value) => {
      const [name, sent] = paramHeaders(region, { region: value })
      expect(name).toBe('Mcp-Param-Region')
      expect(sent).toMatch(/^[\t\x20-\x7e]*$/)
      expect(decodeHeaderValue(sent ?? '')).toBe(Buffer.from(value).toString())
    }),
  )
})

test('text that looks encoded, or would lose its blanks, is encoded', () => {
  const sent = (value: string) => paramHeaders(region, { region: value })[1]
  expect(sent('a b')).toBe('a b')
  expect(sent(' a')).toBe('=?base64?IGE=?=')
  expect(sent('=?base64?x?=')).toMatch(/^=\?base64\?.+\?=$/)
  expect(decodeHeaderValue(sent('=?base64?x?=') ?? '')).toBe('=?base64?x?=')
  expect(sent('')).toBe('=?base64??=')
})
