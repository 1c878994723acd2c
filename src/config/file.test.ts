import fc from 'fast-check'
import { stringify } from 'yaml'
import { expect, test } from 'vitest'
import { parseConfigText } from './file.ts'

test('reads YAML and JSON with the same parser', () => {
  expect(parseConfigText('server:\n  port: 80\n', 'f')).toMatchObject({
    values: { server: { port: 80 } },
    mistakes: [],
  })
  expect(parseConfigText('{"server": {"port": 80}}', 'f')).toMatchObject({
    values: { server: { port: 80 } },
    mistakes: [],
  })
})

test('takes an empty file as no settings', () => {
  expect(parseConfigText('# nothing yet\n', 'f')).toMatchObject({ values: {}, mistakes: [] })
})

test.each([
  ['an alias', 'dataDir: &here ./data\nadminKey: *here\n', 'f:2:11'],
  ['a tag', 'dataDir: !!js/function "() => 1"\n', 'f:1:10'],
  ['a repeated key', 'dataDir: a\ndataDir: b\n', 'f:2:1'],
  ['a tab as indentation', 'server:\n\tport: 80\n', 'f:2:1'],
  ['a second document', 'dataDir: a\n---\ndataDir: b\n', 'f:2:1'],
  ['a list instead of settings', '- dataDir\n', 'f:1:1'],
  ['a group without settings', 'server:\nlog: {}\n', 'f:1:8'],
  ['a merge key', '<<: { dataDir: a }\n', 'f:1:1'],
  ['an unknown setting', 'log:\n  levle: info\n', 'f:2:3'],
])('refuses %s and says where it stands', (_, text, where) => {
  expect(parseConfigText(text, 'f').mistakes).toEqual([expect.objectContaining({ where })])
})

test('names the group of a setting that stands outside it', () => {
  const [mistake] = parseConfigText('publicUrl: https://example.com\n', 'f').mistakes
  expect(mistake?.message).toBe('there is no such setting; did you mean server.publicUrl?')
})

test('S77 takes the names of prototypes as what they are: unknown settings', () => {
  const { mistakes } = parseConfigText('__proto__: { polluted: 1 }\nconstructor: 1\n', 'f')
  expect(mistakes.map(({ path }) => path)).toEqual(['__proto__', 'constructor'])
  expect(Reflect.get({}, 'polluted')).toBeUndefined()
})

test('finds a place for every mistake in whatever the file holds', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.jsonValue().map((value) => stringify(value)),
      ),
      (text) => {
        for (const { where } of parseConfigText(text, 'f').mistakes)
          expect(where).toMatch(/^f:\d+:\d+$/)
      },
    ),
  )
})
