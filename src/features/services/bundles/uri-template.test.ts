import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileUriTemplate } from './uri-template.ts'

function fits(template: string, uri: string): boolean | undefined {
  return compileUriTemplate(template)?.(uri)
}

test.each([
  ['users://{id}/profile', 'users://42/profile', true],
  ['users://{id}/profile', 'users://42/x/profile', false],
  ['users://{id}/profile', 'users://42/profile/more', false],
  ['users://{id}', 'users://New York', true],
  ['file:///{+path}', 'file:///a/b/c.txt?x#y', true],
  ['file:///{path}', 'file:///a/b', false],
  ['doc://a{#part}', 'doc://a#1/2', true],
  ['doc://a{#part}', 'doc://a', true],
  ['doc://a{#part}', 'doc://ab', false],
  ['list://x{?page,size}', 'list://x?page=1&size=2', true],
  ['list://x{?page,size}', 'list://xy', false],
  ['a://{x}{y}-{z}', 'a://1-2-3', true],
  ['plain://text', 'plain://text', true],
  ['plain://text', 'plain://text2', false],
])('%s and %s: %s', (template, uri, expected) => {
  expect(fits(template, uri)).toBe(expected)
})

test('what is no template is not compiled', () => {
  for (const text of ['a{', 'a}', 'a{}', 'a{b{c}}', 'a{!b}', 'x'.repeat(3000)]) {
    expect(compileUriTemplate(text)).toBeUndefined()
  }
})

test('every expansion of a template matches it', () => {
  const literal = fc.string({ unit: fc.constantFrom('a', 'b', '/', ':', '-') })
  const simple = fc.string({ unit: fc.constantFrom('a', 'b', '%20', '~', '-') })
  const reserved = fc.string({ unit: fc.constantFrom('a', '/', '?', '#', ':') })
  const part = fc.oneof(
    literal.map((text) => [text, text]),
    simple.map((value) => ['{v}', value]),
    reserved.map((value) => ['{+v}', value]),
    reserved.map((value) => ['{#v}', value === '' ? '' : `#${value}`]),
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const template = parts.map(([text]) => text).join('')
      const uri = parts.map(([, text]) => text).join('')
      expect(fits(template, uri)).toBe(true)
    }),
  )
})

test('it says what a regular expression would say', () => {
  const part = fc.constantFrom('{a}', '{+b}', 'x', '/', '-')
  const uri = fc.string({ unit: fc.constantFrom('x', '/', '-', '?'), maxLength: 10 })
  fc.assert(
    fc.property(fc.array(part, { maxLength: 5 }), uri, (parts, text) => {
      const pattern = parts.join('').replaceAll('{a}', '[^/?#]*').replaceAll('{+b}', '.*')
      expect(fits(parts.join(''), text)).toBe(new RegExp(`^${pattern}$`, 's').test(text))
    }),
  )
})

test('a template that would send a backtracking matcher astray is matched at once', () => {
  const template = `a://${'{x}-'.repeat(30)}end`
  const uri = `a://${'-'.repeat(8000)}`
  const startedAt = performance.now()
  expect(fits(template, uri)).toBe(false)
  expect(performance.now() - startedAt).toBeLessThan(500)
})

test('a template of very many expressions is none, because each would be at work at every character', () => {
  expect(compileUriTemplate('{+a}'.repeat(32))?.('x'.repeat(8_000))).toBe(true)
  expect(compileUriTemplate('{+a}'.repeat(33))).toBeUndefined()
})
