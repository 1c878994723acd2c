import { escape } from 'node:querystring'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { PresentedCredential } from './exchange.ts'
import { takeQueryCredentials } from './query-credentials.ts'

function take(search: string) {
  const found: PresentedCredential[] = []
  return { search: takeQueryCredentials(search, found), keys: found.map(({ text }) => text) }
}

test.each([
  ['', '', []],
  ['?', '?', []],
  ['?beta=true', '?beta=true', []],
  ['?apiKey=a', '', ['a']],
  ['?apiKey=a&apiKey=b', '', ['a', 'b']],
  ['?x=%zz&&key=a=b&y', '?x=%zz&&y', ['a=b']],
  ['?%61pi%4bey=a%20b&APIKEY=c', '', ['a b', 'c']],
  ['?apiKey=&x=1', '?x=1', []],
  ['?apiKey&x', '?x', []],
  ['?monkey=1&keys=2&key%3d=3', '?monkey=1&keys=2&key%3d=3', []],
  ['?key=%ff%zz', '', ['\ufffd%zz']],
])('S36 leaves of %s only %s', (search, rest, keys) => {
  expect(take(search)).toEqual({ search: rest, keys })
})

test('S36 finds every key among other parameters, and leaves those byte for byte in order', () => {
  const other = fc
    .stringMatching(/^[a-z%=+;/?]{0,8}$/)
    .filter((text) => !/^(?:api_?)?key/.test(text))
  const key = fc.tuple(
    fc.constantFrom('apiKey', 'api_key', 'key', '%6bey'),
    fc.string({ minLength: 1 }),
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(other, key), { minLength: 1 }), (parameters) => {
      const written = parameters.map((one) =>
        typeof one === 'string' ? one : `${one[0]}=${escape(one[1])}`,
      )
      const rest = parameters.filter((one) => typeof one === 'string')
      const keys = parameters.flatMap((one) => (typeof one === 'string' ? [] : [one[1]]))
      expect(take(`?${written.join('&')}`)).toEqual({
        search: rest.length === 0 ? '' : `?${rest.join('&')}`,
        keys,
      })
    }),
  )
})
