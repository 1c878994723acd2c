import fc from 'fast-check'
import { expect, test } from 'vitest'
import { expandWildcard, parseModelList } from './model-names.ts'

test('a plain name is sent as it is', () => {
  expect(parseModelList(['gpt-4o'])).toEqual([{ name: 'gpt-4o', sends: 'gpt-4o' }])
})

test('alias@name makes both selectable and sends the name', () => {
  expect(parseModelList(['fast@gpt-4o-mini'])).toEqual([
    { name: 'fast', sends: 'gpt-4o-mini' },
    { name: 'gpt-4o-mini', sends: 'gpt-4o-mini' },
  ])
})

test('a leading @ belongs to the name', () => {
  expect(parseModelList(['@vendor/m'])).toEqual([{ name: '@vendor/m', sends: '@vendor/m' }])
})

test('a trailing @ belongs to the name', () => {
  expect(parseModelList(['gpt@'])).toEqual([{ name: 'gpt@', sends: 'gpt@' }])
})

test('a@@vendor/m makes a stand for @vendor/m', () => {
  expect(parseModelList(['a@@vendor/m'])).toEqual([
    { name: 'a', sends: '@vendor/m' },
    { name: '@vendor/m', sends: '@vendor/m' },
  ])
})

test('names listed twice are kept once', () => {
  expect(parseModelList(['a@m', 'm', 'b@m', 'a@m'])).toEqual([
    { name: 'a', sends: 'm' },
    { name: 'm', sends: 'm' },
    { name: 'b', sends: 'm' },
  ])
})

const part = fc.string({ minLength: 1, maxLength: 8 }).filter((text) => !text.includes('@'))
const name = fc.tuple(fc.constantFrom('', '@'), part).map(([at, text]) => at + text)

test('whatever is written as alias@name is read as that alias and that name', () => {
  fc.assert(
    fc.property(name, name, (alias, real) => {
      const [first, second] = parseModelList([`${alias}@${real}`])
      expect(first).toEqual({ name: alias, sends: real })
      expect(second?.sends ?? first?.sends).toBe(real)
    }),
  )
})

test('no text is lost or invented: what is not divided is a name', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom('a', 'b', '@') }),
      (text) => {
        const [entry] = parseModelList([text])
        const isDivided = entry?.name !== text
        expect(isDivided ? `${entry?.name}@${entry?.sends}` : entry.sends).toBe(text)
        expect(entry?.name).not.toBe('')
        expect(entry?.sends).not.toBe('')
      },
    ),
  )
})

test('the rest that a wildcard matched replaces the first star only', () => {
  expect(expandWildcard('meta/*', 'llama*')).toBe('meta/llama*')
  expect(expandWildcard('fixed', 'llama')).toBe('fixed')
})
