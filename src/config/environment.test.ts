import { expect, test } from 'vitest'
import { loadConfig } from './load.ts'
import { readEnvironment, unknownVariables } from './environment.ts'

test('understands the names that doroseek, the reverse proxy and the Web-UI gateway use', () => {
  const config = loadConfig({
    env: {
      ADMIN_KEY: 'an-admin-key-of-doroseek',
      PUBLIC_HOSTNAME: 'gateway.example.com',
      FRONTEND_PORT: '3000',
      LOG_LEVEL: 'WARN',
      MCP_GATEWAY_PORT: '3082',
      CORS_ORIGINS: 'https://a.example, https://b.example',
    },
  })
  expect(config.adminKey?.reveal()).toBe('an-admin-key-of-doroseek')
  expect(config.log.level).toBe('warn')
  expect(config.server).toMatchObject({
    publicUrl: 'https://gateway.example.com',
    port: 3082,
    dashboardPort: 3000,
    allowedOrigins: ['https://a.example', 'https://b.example'],
  })
})

test('keeps the scheme that a public host name brings along', () => {
  const { server } = loadConfig({ env: { PUBLIC_HOSTNAME: 'http://localhost:8000' } })
  expect(server.publicUrl).toBe('http://localhost:8000')
})

test('takes a database for what it names: a server or a file', () => {
  const accepted = [
    'postgres://u:p@h/d',
    'postgresql://h/d',
    './data/mcp-proxy.db',
    'sqlite:/srv/a.db',
  ]
  for (const address of accepted) {
    expect(loadConfig({ env: { DATABASE_URL: address } }).databaseUrl?.reveal()).toBe(address)
  }
  expect(() => loadConfig({ env: { DATABASE_URL: 'mysql://h/d' } })).toThrow('a mistake')
  expect(() => loadConfig({ env: { DATABASE_URL: 'postgres://u:changeme@h/d' } })).toThrow(
    'a mistake',
  )
})

test('keeps a PostgreSQL address, password included, out of sight', () => {
  const address = 'postgres://portico:s3cr3t@db.example/portico'
  const { databaseUrl } = loadConfig({ env: { DATABASE_URL: address } })
  expect(databaseUrl?.reveal()).toBe(address)
  expect(String(databaseUrl)).toBe('[secret]')
})

test('takes an empty variable as absent, as compose files set it', () => {
  expect(readEnvironment({ PORTICO_PORT: '', PORTICO_PUBLIC_URL: ' ' })).toEqual([])
})

test('reads switches in the usual spellings', () => {
  expect(loadConfig({ env: { PORTICO_LOG_ACCESS: 'off' } }).log.access).toBe(false)
  expect(loadConfig({ env: { PORTICO_WORKSPACES_OPEN: 'TRUE' } }).workspaces.open).toBe(true)
})

test('ignores what Kubernetes announces about a Service called portico', () => {
  const env = {
    PORTICO_PORT: 'tcp://10.0.0.1:8437',
    PORTICO_PORT_8437_TCP_ADDR: '10.0.0.1',
    PORTICO_SERVICE_HOST: '10.0.0.1',
    PORTICO_SERVICE_PORT: '8437',
  }
  expect(unknownVariables(env)).toEqual([])
  expect(loadConfig({ env }).server.port).toBe(8437)
})
