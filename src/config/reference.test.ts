import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { environmentVariables } from './environment.ts'
import { renderConfigurationReference } from './reference.ts'
import { listSettings } from './settings.ts'

test('docs/configuration.md is what the schema says; npm run docs writes it', () => {
  const written = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')
  expect(written).toBe(renderConfigurationReference())
})

test('every setting is described', () => {
  expect(listSettings().filter(({ description }) => description === '')).toEqual([])
})

test('every environment variable names a setting that exists', () => {
  const paths = new Set(listSettings().map(({ path }) => path))
  expect(environmentVariables.filter(({ path }) => !paths.has(path))).toEqual([])
})

test('every setting but one is read by some part of the program', () => {
  const src = path.join(import.meta.dirname, '..')
  const program = globSync('{server,features,store,cli}/**/*.ts', { cwd: src })
    .filter((file) => !file.endsWith('.test.ts'))
    .map((file) => readFileSync(path.join(src, file), 'utf8'))
    .join('\n')
  const names = listSettings().map((setting) => setting.path.split('.').at(-1) ?? '')
  const unread = names.filter((name) => !new RegExp(`\\b${name}\\b`).test(program))
  // Its description and a warning at the start say that it has no effect yet.
  expect(unread).toEqual(['redisUrl'])
})
