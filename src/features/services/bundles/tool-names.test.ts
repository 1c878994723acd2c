import fc from 'fast-check'
import { expect, test } from 'vitest'
import { assignNames, fitName, nameCharsMax, type NameClaim } from './tool-names.ts'

function claim(service: string, ...names: string[]): NameClaim {
  const own = names.map((name) => ({ name, upstreamName: name }))
  return { key: service, prefix: service, service, names: own }
}

function published(mode: 'always' | 'never' | 'on-collision', ...claims: NameClaim[]): string[] {
  return assignNames(mode, claims).named.map((entry) => entry.published)
}

const one = claim('one', 'search', 'read')
const two = claim('two', 'search', 'write')

test('mode always puts the prefix in front of every name', () => {
  expect(published('always', one, two)).toEqual([
    'one__search',
    'one__read',
    'two__search',
    'two__write',
  ])
})

test('mode on-collision leaves the first its name and prefixes those that come later', () => {
  expect(published('on-collision', one, two)).toEqual(['search', 'read', 'two__search', 'write'])
})

test('mode never gives a name to the first and reports the others as lost', () => {
  expect(published('never', one, two)).toEqual(['search', 'read', 'write'])
  expect(assignNames('never', [one, two]).lost).toMatchObject([{ key: 'two', name: 'search' }])
})

test('a prefixed name that another server has as its own does not become two', () => {
  const names = published('on-collision', claim('one', 'search', 'two__search'), two)
  expect(names.slice(0, 2)).toEqual(['search', 'two__search'])
  expect(names[2]).toMatch(/^two__search_[0-9a-f]{8}$/)
})

test('a name of 200 characters becomes one of 64 that is always the same', () => {
  const long = 'x'.repeat(200)
  const [name = ''] = published('on-collision', claim('one', long))
  expect(name).toMatch(/^x{55}_[0-9a-f]{8}$/)
  expect(published('on-collision', claim('one', long))).toEqual([name])
  expect(fitName(long, ['one', long])).toBe(name)
  expect(published('on-collision', claim('other', long))).not.toEqual([name])
})

test('a name with other characters becomes one without them', () => {
  expect(published('never', claim('one', 'grüße/alle'))[0]).toMatch(/^gr__e_alle_[0-9a-f]{8}$/)
})

test('one name listed twice by a server is one', () => {
  expect(published('on-collision', claim('one', 'a', 'a'))).toEqual(['a'])
})

const name = fc.oneof(
  fc.constantFrom('a', 'b', 'one__a', 'two__a', 'a'.repeat(70), 'ä'),
  fc.string(),
  fc.string({ minLength: 50, maxLength: 200 }),
)
const claims = fc
  .tuple(fc.array(name), fc.array(name), fc.array(name))
  .map(([first, second, third]) => [
    claim('one', ...first),
    claim('two', ...second),
    claim('three', ...third),
  ])
const modes = fc.constantFrom('always' as const, 'never' as const, 'on-collision' as const)

test('whatever the names, the published ones differ, fit, and are the same each time', () => {
  fc.assert(
    fc.property(modes, claims, (mode, all) => {
      const { named, lost } = assignNames(mode, all)
      const texts = named.map((entry) => entry.published)
      expect(new Set(texts).size).toBe(texts.length)
      expect(texts.filter((text) => !/^[A-Za-z0-9_.-]{1,64}$/.test(text))).toEqual([])
      expect(Math.max(0, ...texts.map((text) => text.length))).toBeLessThanOrEqual(nameCharsMax)
      expect(published(mode, ...all)).toEqual(texts)
      const distinct = all.reduce(
        (sum, { names }) => sum + new Set(names.map((n) => n.name)).size,
        0,
      )
      expect(named.length + lost.length).toBe(distinct)
    }),
  )
})

test('another server at the end renames nothing', () => {
  fc.assert(
    fc.property(modes, claims, (mode, all) => {
      const before = published(mode, ...all.slice(0, 2))
      expect(published(mode, ...all).slice(0, before.length)).toEqual(before)
    }),
  )
})
