import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { parseBody, parseJson } from './json-body.ts'

test('text that is not JSON has no value', () => {
  expect(parseJson('{"a":')).toBeUndefined()
  expect(parseJson('')).toBeUndefined()
})

test('integers beyond a double keep every digit on the way through', () => {
  const text = '{"id":9007199254740993,"small":1,"nested":[-123456789012345678901234567890]}'
  expect(JSON.stringify(parseJson(text))).toBe(text)
})

test('whatever JSON.stringify writes comes back the same', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(JSON.stringify(parseJson(text))).toBe(JSON.stringify(JSON.parse(text)))
    }),
  )
})

test('a body that does not fit names the first mistake and lists all', () => {
  const Shape = z.object({ list: z.array(z.object({ name: z.string() })), limit: z.int() })
  const parse = () => parseBody(Shape, '{"list":[{"name":1}],"limit":"x"}')
  expect(parse).toThrow(AppError)
  expect(parse).toThrow(/^list\[0\]\.name: .*expected string/)
  expect(parse).toThrow(
    expect.objectContaining({
      code: 'invalid_request',
      details: expect.objectContaining({
        param: 'list[0].name',
        issues: [
          { path: 'list[0].name', message: expect.any(String) },
          { path: 'limit', message: expect.any(String) },
        ],
      }),
    }),
  )
})
