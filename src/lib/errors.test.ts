import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { renderErrorReference } from './error-reference.ts'
import { AppError, errorDefinitions } from './errors.ts'

const root = path.join(import.meta.dirname, '..', '..')

test('docs/errors.md is what the table of codes says; npm run docs writes it', () => {
  expect(readFileSync(path.join(root, 'docs/errors.md'), 'utf8')).toBe(renderErrorReference())
})

test('every code is a word in snake_case with a status of an error', () => {
  for (const [code, { status }] of Object.entries(errorDefinitions)) {
    expect(code).toMatch(/^[a-z]+(_[a-z0-9]+)*$/)
    expect(status).toBeGreaterThanOrEqual(400)
    expect(status).toBeLessThan(600)
  }
})

test('every code is answered by some part of the program', () => {
  const program = globSync('src/**/*.ts', { cwd: root })
    .filter((file) => !file.endsWith('.test.ts') && file !== path.join('src', 'lib', 'errors.ts'))
    .map((file) => readFileSync(path.join(root, file), 'utf8'))
    .join('\n')
  const unused = Object.keys(errorDefinitions).filter((code) => !program.includes(`'${code}'`))
  expect(unused).toEqual([])
})

test('an error keeps its code, the status of the code, and what caused it', () => {
  const cause = new Error('refused')
  const error = new AppError('upstream_unreachable', 'The provider is not there.', { cause })
  expect(error).toMatchObject({ code: 'upstream_unreachable', status: 502, cause })
})
