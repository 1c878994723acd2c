import fc from 'fast-check'
import { expect, test } from 'vitest'
import { diffDefinitions } from './definition-diff.ts'

test('a diff shows what went and what came, with what stayed around it', () => {
  const before = '{"name":"a","description":"Adds","inputSchema":{"type":"object"}}'
  const after = '{"inputSchema":{"type":"object","x":[]},"description":"Deletes","name":"a"}'
  expect(diffDefinitions(before, after)).toEqual([
    '  {',
    '-   "description": "Adds",',
    '+   "description": "Deletes",',
    '    "inputSchema": {',
    '-     "type": "object"',
    '+     "type": "object",',
    '+     "x": [',
    '+     ]',
    '    },',
    '    "name": "a"',
    '  }',
  ])
})

test('S44 what is invisible is written out', () => {
  const lines = diffDefinitions('{"description":"Adds"}', '{"description":"Adds\u200b\u{e0041}"}')
  expect(lines).toContain('+   "description": "Adds\\u{200b}\\u{e0041}"')
})

test('the old lines and the new ones can be read out of every diff', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (one, other) => {
      const [before, after] = [JSON.stringify(one), JSON.stringify(other)]
      const lines = diffDefinitions(before, after)
      const side = (mark: string): string[] =>
        lines.filter((line) => line[0] !== mark).map((line) => line.slice(2))
      const whole = (json: string): string[] =>
        diffDefinitions(null, json).map((line) => line.slice(2))
      expect(side('+')).toEqual(whole(before))
      expect(side('-')).toEqual(whole(after))
    }),
  )
})

test('long definitions that differ everywhere are compared in no time', () => {
  const long = (seed: string): string =>
    JSON.stringify(Array.from({ length: 20_000 }, (_, at) => `${seed}${at}`))
  expect(diffDefinitions(long('a'), long('b'))).toHaveLength(2 + 2 * 20_000)
})
