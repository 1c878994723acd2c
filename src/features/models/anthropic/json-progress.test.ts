import fc from 'fast-check'
import { expect, test } from 'vitest'
import { JsonObjectProgress } from './json-progress.ts'

function progressOf(...fragments: string[]): string {
  const progress = new JsonObjectProgress()
  for (const fragment of fragments) progress.push(fragment)
  return progress.progress
}

test('an object is complete with its closing brace and no sooner', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(), (value, cut) => {
      const text = JSON.stringify(value)
      const at = 1 + (cut % Math.max(1, text.length - 1))
      expect(progressOf(text.slice(0, at), text.slice(at))).toBe('complete')
      expect(progressOf(text.slice(0, at))).toBe(at < text.length ? 'partial' : 'complete')
    }),
  )
})

test('white space around an object is nothing', () => {
  expect(progressOf(' \n')).toBe('empty')
  expect(progressOf(' {} ', '\t')).toBe('complete')
})

test('what is no object, or goes on behind its end, is broken', () => {
  expect(progressOf('[1]')).toBe('broken')
  expect(progressOf('{}', '{}')).toBe('broken')
})
