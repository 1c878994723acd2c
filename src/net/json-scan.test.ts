import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { applyEdits, parseString, scanElements, scanObject } from './json-scan.ts'
import type { ByteRange } from './json-scan.ts'

const modelKey = new Set(['model'])

function modelOf(text: string): unknown {
  const bytes = Buffer.from(text)
  const last = scanObject(bytes, modelKey)?.at(-1)
  return last === undefined ? undefined : JSON.parse(bytes.toString('utf8', last.start, last.end))
}

function replaced(bytes: Buffer, ranges: readonly ByteRange[], value: string): string {
  const edits = ranges.map(({ start, end }) => ({ start, end, value: Buffer.from(value) }))
  return Buffer.concat(applyEdits(bytes, edits)).toString()
}

describe('scanObject', () => {
  test('finds the member at the top and not its look-alikes below', () => {
    expect(modelOf('{"a":{"model":"inner"},"b":"\\"model\\":\\"fake\\"","model":"outer"}')).toBe(
      'outer',
    )
  })

  test('recognises a key that is written with escapes', () => {
    expect(modelOf('{"mod\\u0065l":"m"}')).toBe('m')
  })

  test('returns every repetition, so that the last one decides and all can be replaced', () => {
    const bytes = Buffer.from('{"model":"a","x":1,"model":"b"}')
    const members = scanObject(bytes, modelKey) ?? []
    expect(members.map((member) => parseString(bytes, member))).toEqual(['a', 'b'])
    expect(replaced(bytes, members, '"long name"')).toBe(
      '{"model":"long name","x":1,"model":"long name"}',
    )
  })

  test('keeps integers that a parser would round', () => {
    const text = '{"seed":12345678901234567890123,"model":"a"}'
    const bytes = Buffer.from(text)
    expect(replaced(bytes, scanObject(bytes, modelKey) ?? [], '"b"')).toBe(
      '{"seed":12345678901234567890123,"model":"b"}',
    )
  })

  test.each([
    ['an array', '[1]'],
    ['a bare string', '"model"'],
    ['nothing', ''],
    ['a missing brace', '{"model":"a"'],
    ['a trailing comma', '{"model":"a",}'],
    ['text after the object', '{"model":"a"}x'],
    ['an unquoted key', '{model:"a"}'],
    ['a comment', '{"x":[/* " */],"model":"a"}'],
    ['a single-quoted string below', '{"x":[\'"\'],"model":"a"}'],
    ['a string that never ends', '{"model":"a\\"}'],
    ['a literal that is none', '{"model":nope}'],
  ])('refuses %s', (_case, text) => {
    expect(scanObject(Buffer.from(text), modelKey)).toBeUndefined()
  })

  test('agrees with JSON.parse on every object', () => {
    const key = fc.oneof(fc.constant('model'), fc.string({ unit: 'binary', maxLength: 40 }))
    const object = fc.dictionary(key, fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' }))
    fc.assert(
      fc.property(object, fc.nat(4), (value, indent) => {
        const text = JSON.stringify(value, null, indent)
        expect(scanObject(Buffer.from(text), modelKey)).toBeDefined()
        expect(modelOf(text)).toEqual((JSON.parse(text) as { model?: unknown }).model)
      }),
    )
  })

  test('accepts whatever JSON.parse accepts as an object, however it is damaged', () => {
    const damaged = fc
      .tuple(
        fc.object({ maxDepth: 3 }),
        fc.nat(),
        fc.constantFrom('', '"', '\\', '{', '}', ',', ' ', '1'),
      )
      .map(([value, at, insert]) => {
        const text = JSON.stringify({ ...value, model: 'm' })
        const cut = at % text.length
        return text.slice(0, cut) + insert + text.slice(cut + 1)
      })
    fc.assert(
      fc.property(damaged, (text) => {
        const parsed = parsedObject(text)
        if (parsed === undefined) return
        expect(scanObject(Buffer.from(text), modelKey)).toBeDefined()
        expect(modelOf(text)).toEqual(parsed['model'])
      }),
      { numRuns: 2_000 },
    )
  })
})

function parsedObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

describe('scanElements', () => {
  test('gives the elements of every array as JSON.parse would', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.constantFrom(0, 1), (values, indent) => {
        const bytes = Buffer.from(JSON.stringify(values, null, indent))
        const elements = scanElements(bytes)?.map(({ start, end }) =>
          JSON.parse(bytes.toString('utf8', start, end)),
        )
        expect(elements).toEqual(JSON.parse(bytes.toString()))
      }),
    )
  })

  test('refuses what is no array', () => {
    const others = ['{}', '', '[', '[1', '[1,]', '[1 2]', '[1]]', '1', '[,1]']
    expect(others.filter((text) => scanElements(Buffer.from(text)) !== undefined)).toEqual([])
  })
})
