import { readFileSync } from 'node:fs'
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
