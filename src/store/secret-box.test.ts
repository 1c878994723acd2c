import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createSecretBox } from './secret-box.ts'

const masterKey = randomBytes(32)
const place = 'providers/prov_1/sealedCredentials'
const unreadable = expect.objectContaining({ code: 'internal_error' })

test('opens what it sealed, whatever the text', () => {
  const box = createSecretBox([masterKey])
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (text, context) => {
      expect(box.open(box.seal(text, context), context)).toBe(text)
    }),
  )
})

test('the same text sealed twice looks different, and shows nothing of itself', () => {
  const box = createSecretBox([masterKey])
  const [first, second] = [box.seal('sk-secret', place), box.seal('sk-secret', place)]
  expect(first).not.toBe(second)
  expect(first).not.toContain('sk-secret')
  expect(Buffer.from(first.split('.')[2] ?? '', 'base64url').toString('latin1')).not.toContain(
    'sk-secret',
  )
})

test('S75 sealed text that was moved to another row does not open', () => {
  const box = createSecretBox([masterKey])
  const sealed = box.seal('sk-secret', place)
  expect(() => box.open(sealed, 'providers/prov_2/sealedCredentials')).toThrow(unreadable)
})

test('S75 sealed text with any byte changed does not open', () => {
  const box = createSecretBox([masterKey])
  const [version, id, text] = box.seal('sk-secret', place).split('.')
  const body = Buffer.from(text ?? '', 'base64url')
  for (const index of body.keys()) {
    const altered = Buffer.from(body)
    altered[index] = (altered[index] ?? 0) ^ 1
    const sealed = `${version}.${id}.${altered.toString('base64url')}`
    expect(() => box.open(sealed, place)).toThrow(unreadable)
  }
})

test('anything else than sealed text is refused', () => {
  const box = createSecretBox([masterKey])
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(() => box.open(text, place)).toThrow(unreadable)
    }),
  )
  const [, id, text] = box.seal('a', place).split('.')
  for (const sealed of [`v2.${id}.${text}`, `v1.${id}`, `v1.${id}.`, `v1.${id}.${text}.more`]) {
    expect(() => box.open(sealed, place)).toThrow(unreadable)
  }
})

test('a key is rotated by putting a new one in front, and can go once nothing is stale', () => {
  const next = randomBytes(32)
  const sealed = createSecretBox([masterKey]).seal('sk-secret', place)

  const rotating = createSecretBox([next, masterKey])
  expect(rotating.isStale(sealed)).toBe(true)
  const resealed = rotating.seal(rotating.open(sealed, place), place)
  expect(rotating.isStale(resealed)).toBe(false)

  const rotated = createSecretBox([next])
  expect(rotated.open(resealed, place)).toBe('sk-secret')
  expect(() => rotated.open(sealed, place)).toThrow(unreadable)
})

test('the same key given twice seals and opens as one', () => {
  const box = createSecretBox([masterKey, masterKey])
  const sealed = box.seal('sk-secret', place)
  expect(box.open(sealed, place)).toBe('sk-secret')
  expect(box.isStale(sealed)).toBe(false)
})

test('a box without a key, or with one that is too short, is not made', () => {
  expect(() => createSecretBox([])).toThrow(unreadable)
  expect(() => createSecretBox([randomBytes(31)])).toThrow(
    expect.objectContaining({ code: 'invalid_config' }),
  )
})
