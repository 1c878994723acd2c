import fc from 'fast-check'
import { expect, test } from 'vitest'
import { editJson } from './json-edit.ts'
import type { MemberEdit } from './json-edit.ts'

function edit(text: string, ...edits: MemberEdit[]): string {
  return editJson(Buffer.from(text), edits).toString()
}

test('a value is replaced and every other byte stays', () => {
  const text = '{ "a" : 1.0, "id": 7 ,"b":12345678901234567890}'
  expect(edit(text, { path: ['id'], json: '"x"' })).toBe(
    '{ "a" : 1.0, "id": "x" ,"b":12345678901234567890}',
  )
})

test('a member that is missing is added at the end, on the way to it objects are made', () => {
  expect(edit('{}', { path: ['a'], json: '1' })).toBe('{"a":1}')
  expect(edit('{"x":2}', { path: ['a', 'b'], json: '1' })).toBe('{"x":2,"a":{"b":1}}')
  expect(edit('{"a":null}', { path: ['a', 'b'], json: '1' })).toBe('{"a":{"b":1}}')
})

test('a member is removed with one comma', () => {
  expect(edit('{"a":1,"b":2,"c":3}', { path: ['a'], json: undefined })).toBe('{"b":2,"c":3}')
  expect(edit('{"a":1,"b":2,"c":3}', { path: ['b'], json: undefined })).toBe('{"a":1,"c":3}')
  expect(edit('{"a":1,"b":2,"c":3}', { path: ['c'], json: undefined })).toBe('{"a":1,"b":2}')
  expect(edit('{"a":1}', { path: ['a'], json: undefined })).toBe('{}')
  expect(edit('{"a":1}', { path: ['b', 'c'], json: undefined })).toBe('{"a":1}')
})

test('of a repeated member only the last is left, with the new value', () => {
  expect(edit('{"a":1,"b":2,"a":3}', { path: ['a'], json: '4' })).toBe('{"b":2,"a":4}')
  expect(edit('{"a":1,"a":3}', { path: ['a'], json: undefined })).toBe('{}')
  expect(edit('{"a":1,"a":2,"b":3,"a":4,"c":5}', { path: ['a'], json: undefined })).toBe(
    '{"b":3,"c":5}',
  )
})

test('for any object it does what a change of the parsed object does', () => {
  const object = fc.dictionary(
    fc.constantFrom('a', 'b', 'c', '"', 'd\\'),
    fc.oneof(
      fc.json().map((text) => JSON.parse(text) as unknown),
      fc.object(),
    ),
  )
  const path = fc.array(fc.constantFrom('a', 'b', '"'), { minLength: 1, maxLength: 2 })
  fc.assert(
    fc.property(object, path, fc.option(fc.json(), { nil: undefined }), (value, names, json) => {
      const text = JSON.stringify(value, null, 1)
      const changed = edit(text, { path: names as [string], json })
      expect(JSON.parse(changed)).toEqual(changeParsed(JSON.parse(text), names, json))
    }),
  )
})

type Parsed = Record<string, unknown>

function changeParsed(from: Parsed, [name = '', ...rest]: string[], json?: string): Parsed {
  if (rest.length === 0) {
    const { [name]: _, ...others } = from
    return json === undefined ? others : { ...from, [name]: JSON.parse(json) as unknown }
  }
  const inner = from[name]
  const isObject = typeof inner === 'object' && inner !== null && !Array.isArray(inner)
  if (!isObject && json === undefined) return from
  return { ...from, [name]: changeParsed(isObject ? (inner as Parsed) : {}, rest, json) }
}
