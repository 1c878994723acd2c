import { expect, test } from 'vitest'
import type { Environment } from './environment.ts'
import { loadConfig } from './load.ts'
import { listWarnings } from './warnings.ts'

const warningsFor = (env: Environment): string => listWarnings(loadConfig({ env })).join('\n')

test('has nothing to say about the defaults', () => {
  expect(warningsFor({})).toBe('')
})

test('S08 warns loudly of a public listener without TLS in front', () => {
  expect(warningsFor({ PORTICO_HOST: '0.0.0.0' })).toContain('without TLS')
  expect(warningsFor({ PORTICO_PUBLIC_URL: 'http://gateway.example.com' })).toContain('without TLS')
})

test('is content with a trusted proxy that speaks TLS', () => {
  const env = {
    PORTICO_PUBLIC_URL: 'https://gateway.example.com',
    PORTICO_TRUSTED_PROXIES: '10.0.0.0/8',
  }
  expect(warningsFor(env)).toBe('')
})

test('warns of a dashboard, and of open workspaces, that strangers can reach', () => {
  expect(warningsFor({ PORTICO_DASHBOARD_HOST: '0.0.0.0' })).toContain(
    'The dashboard listens beyond',
  )
  expect(warningsFor({ PORTICO_HOST: '::', PORTICO_WORKSPACES_OPEN: 'true' })).toContain(
    'anybody may',
  )
})

test('warns of a short admin key, and that Redis is not used', () => {
  expect(warningsFor({ PORTICO_ADMIN_KEY: 'short-key' })).toContain('shorter than 16')
  expect(warningsFor({ REDIS_URL: 'redis://localhost:6379' })).toContain('does not use Redis')
})
