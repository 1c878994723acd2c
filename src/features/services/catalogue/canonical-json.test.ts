import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalJson, hashJson } from './canonical-json.ts'

/** The same value with its members in another order and white space between. */
function rewrite(value: unknown): string {
  if (Array.isArray(value)) return `[ ${value.map(rewrite).join(' ,\n')} ]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).toReversed()
  return `{\t${members.map(([name, member]) => `${JSON.stringify(name)} : ${rewrite(member)}`).join(' , ')} }`
}

test('one value has one form, however it is written', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(canonicalJson(rewrite(value))).toBe(canonicalJson(JSON.stringify(value)))
      expect(JSON.parse(canonicalJson(JSON.stringify(value)))).toEqual(
        JSON.parse(JSON.stringify(value)),
      )
    }),
  )
})

test('different values have different forms', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (one, other) => {
      const isSame = rewrite(sorted(one)) === rewrite(sorted(other))
      expect(hashJson(JSON.stringify(one)) === hashJson(JSON.stringify(other))).toBe(isSame)
    }),
  )
})

test.each([
  ['{"a":"\\u0061"}', '{"a":"a"}'],
  ['{"\\u0062":1,"a":2}', '{ "a":2, "b":1 }'],
])('%s is the same as %s', (one, other) => {
  expect(hashJson(one)).toBe(hashJson(other))
})

test.each([
  ['{"a":1}', '{"a":1.0}'],
  ['{"a":9007199254740992}', '{"a":9007199254740993}'],
  ['{"a":"x"}', '{"a":"y","a":"x"}'],
  ['{"a":"x"}', '{"a":"x\u200b"}'],
  ['[1,2]', '[2,1]'],
])('%s is not the same as %s', (one, other) => {
  expect(hashJson(one)).not.toBe(hashJson(other))
})

test('S47 nesting without end is taken as it is written, quickly', () => {
  const deep = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)},"b":1}`
  expect(canonicalJson(deep)).toBe(deep)
})

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))
  return Object.fromEntries(members.map(([name, member]) => [name, sorted(member)]))
}
