import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { splitArguments } from './split-arguments.ts'

test('white space separates words and quotes keep them together', () => {
  expect(splitArguments('')).toEqual([])
  expect(splitArguments('  -y \t pkg  ')).toEqual(['-y', 'pkg'])
  expect(splitArguments(`a'b c'd "e f" "" ''`)).toEqual(['ab cd', 'e f', '', ''])
})

test('a backslash keeps the next character, inside double quotes only special ones', () => {
  expect(splitArguments(String.raw`a\ b \"c\"`)).toEqual(['a b', '"c"'])
  expect(splitArguments(String.raw`"\a\"\\\$" '\a'`)).toEqual([String.raw`\a"\$`, String.raw`\a`])
})

test('nothing is expanded', () => {
  const line = '$HOME `id` $(id) * ~ ; | & > #no {a,b}'
  expect(splitArguments(line)).toEqual(line.split(' '))
})

test('what is not finished is refused', () => {
  const lines = [`'a`, `"a`, `"a\\"`, 'a\\']
  expect(lines.filter((line) => split(line) !== undefined)).toEqual([])
})

test('any words come back that were quoted for a shell', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (words) => {
      const line = words.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(' ')
      expect(splitArguments(line)).toEqual(words)
    }),
  )
})

test('a shell splits the same line into the same words', () => {
  const line = fc
    .array(fc.constantFrom('a', 'b', ' ', '\t', "'", '"', '\\'), { maxLength: 12 })
    .map((characters) => characters.join(''))
  fc.assert(
    fc.property(line, (text) => {
      const ours = split(text)
      fc.pre(ours !== undefined && ours.length > 0)
      expect(ours).toEqual(splitByShell(text))
    }),
    { numRuns: 150 },
  )
})

function split(line: string): string[] | undefined {
  try {
    return splitArguments(line)
  } catch {
    return undefined
  }
}

function splitByShell(line: string): string[] {
  const { stdout } = spawnSync('/bin/sh', ['-c', String.raw`printf '%s\0' ${line}`])
  return stdout.toString().split('\0').slice(0, -1)
}
