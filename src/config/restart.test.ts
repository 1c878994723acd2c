import { expect, test } from 'vitest'
import { loadConfig } from './load.ts'
import { keepUntilRestart, restartOnly } from './restart.ts'

test('names what changed and waits for a restart', () => {
  const before = loadConfig({ env: { PORTICO_ADMIN_KEY: 'the-first-admin-key' } })
  const after = loadConfig({
    env: {
      PORTICO_ADMIN_KEY: 'the-other-admin-key',
      PORTICO_PORT: '9000',
      PORTICO_LOG_ACCESS: 'no',
    },
  })
  expect(restartOnly(before, after)).toEqual(['server.port', 'adminKey'])
})

test('finds nothing between two readings of the same sources', () => {
  const env = {
    PORTICO_ENCRYPTION_KEY: '0123456789abcdef0123456789abcdef',
    PORTICO_PREVIOUS_ENCRYPTION_KEYS: 'fedcba9876543210fedcba9876543210',
  }
  expect(restartOnly(loadConfig({ env }), loadConfig({ env }))).toEqual([])
})

test('what waits for a restart keeps its value, and everything else takes effect', () => {
  const before = loadConfig({ env: { PORTICO_PORT: '9000', PORTICO_LOG_LEVEL: 'info' } })
  const after = loadConfig({
    env: {
      PORTICO_PORT: '9001',
      PORTICO_LOG_LEVEL: 'warn',
      PORTICO_PUBLIC_URL: 'http://localhost:9001',
      DATABASE_URL: 'postgres://portico:a-long-password@db/portico',
    },
  })
  const effective = keepUntilRestart(before, after)
  expect(effective.server).toMatchObject({ port: 9000, publicUrl: 'http://localhost:9001' })
  expect(effective.log.level).toBe('warn')
  expect(effective.databaseUrl).toBeUndefined()
})
