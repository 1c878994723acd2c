import fc from 'fast-check'
import { expect, test } from 'vitest'
import { rawAt, rawItems, textIn } from './json-reading.ts'

test('the elements of any array are found as they were written', () => {
  const spaced = fc.tuple(fc.array(fc.json()), fc.constantFrom('', ' ', '\n\t'))
  fc.assert(
    fc.property(spaced, ([texts, space]) => {
      const array = `[${texts.map((text) => space + text + space).join(',')}]`
      expect(rawItems(Buffer.from(array))).toEqual(texts.map((text) => text.trim()))
    }),
  )
})

test('numbers keep their digits', () => {
  expect(rawItems(Buffer.from('[1.0, {"n":12345678901234567890}, "]\\"["]'))).toEqual([
    '1.0',
    '{"n":12345678901234567890}',
    '"]\\"["',
  ])
})

test('a nested value is found, the last one where it is repeated', () => {
  const bytes = Buffer.from('{"params":{"name":"a"},"params":{"name":"b\\u0041","n":1.0}}')
  expect(textIn(bytes, ['params', 'name'])).toBe('bA')
  expect(rawAt(bytes, ['params', 'n'])?.toString()).toBe('1.0')
  expect(textIn(bytes, ['params', 'n'])).toBeUndefined()
  expect(rawAt(bytes, ['params', 'name', 'deeper'])).toBeUndefined()
  expect(rawAt(bytes, ['missing', 'name'])).toBeUndefined()
})

test('text is what JSON.parse makes of it, and nothing where that refuses it', () => {
  const unit = fc.constantFrom('a', '\\', '"', 'u', '0041', '\n', '\u007f', 'é', '\ud83d')
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit }), fc.string().map(inner)), (text) => {
      const json = `"${text}"`
      const bytes = Buffer.concat([Buffer.from('{"a":'), Buffer.from(json), Buffer.from('}')])
      expect(textIn(bytes, ['a'])).toBe(parsed(bytes))
    }),
  )
})

function inner(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}

function parsed(bytes: Buffer): unknown {
  try {
    return (JSON.parse(bytes.toString()) as { a: unknown }).a
  } catch {
    return undefined
  }
}
