import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { AppError } from '../lib/errors.ts'
import { loadConfig } from './load.ts'
import type { ConfigSources } from './load.ts'

const option = (name: string, setting: string, value: unknown) => ({ name, path: setting, value })

test('starts from defaults when nothing is configured', () => {
  const { server, dataDir, adminKey } = loadConfig({ env: {} })
  expect(server).toMatchObject({ host: '127.0.0.1', port: 8437, dashboardPort: 3437 })
  expect({ dataDir, adminKey }).toEqual({ dataDir: './data', adminKey: undefined })
})

test('lets the environment win over the file, and the command line over both', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'portico-config-'))
  const file = path.join(folder.path, 'portico.yaml')
  await writeFile(file, 'server: { port: 1001, dashboardPort: 1002, host: "::1" }\n')
  const { server } = loadConfig({
    file,
    env: { PORTICO_PORT: '2001', PORTICO_DASHBOARD_PORT: '2002' },
    overrides: [option('--port', 'server.port', 3001)],
  })
  expect(server).toMatchObject({ port: 3001, dashboardPort: 2002, host: '::1' })
})

test('lists every mistake of file, environment and command line at once, each with its place', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'portico-config-'))
  const file = path.join(folder.path, 'portico.yaml')
  await writeFile(file, 'server:\n  prot: 80\nlog:\n  level: loud\n')
  const issues = issuesOf({
    file,
    env: { PORTICO_DASHBOARD_PORT: 'many', PORTICO_PROT: '80' },
    overrides: [option('--port', 'server.port', 70_000)],
  })
  expect(issues).toEqual([
    'portico.yaml:2:3 server.prot: there is no such setting; did you mean server.port?',
    'portico.yaml:4:10 log.level: must be one of: debug, info, warn, error',
    'PORTICO_DASHBOARD_PORT server.dashboardPort: must be a number',
    '--port server.port: must be at most 65535',
    'PORTICO_PROT: there is no such variable; did you mean PORTICO_PORT?',
  ])
})

test('reports a mistake in the file even where the environment overrides the value', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'portico-config-'))
  const file = path.join(folder.path, 'portico.json')
  await writeFile(file, '{ "server": { "port": "high" } }')
  expect(issuesOf({ file, env: { PORTICO_PORT: '80' } })).toEqual([
    'portico.json:1:23 server.port: must be a number',
  ])
})

test('says that a configuration file is not there', () => {
  expect(issuesOf({ file: '/nowhere/portico.yaml', env: {} })).toEqual([
    '/nowhere/portico.yaml: cannot be read (ENOENT)',
  ])
})

test('refuses two names that give one setting different values, without showing them', () => {
  const env = { ADMIN_KEY: 'first-admin-key-0001', PORTICO_ADMIN_KEY: 'other-admin-key-0002' }
  expect(issuesOf({ env })).toEqual([
    'PORTICO_ADMIN_KEY, ADMIN_KEY adminKey: set to different values; keep one of the two',
  ])
})

test('accepts two names that say the same', () => {
  expect(loadConfig({ env: { BACKEND_PORT: '9000', PORTICO_PORT: '9000' } }).server.port).toBe(9000)
})

test.each([
  ['changeme'],
  [''],
  ['   '],
  ['your-encryption-key-here-0123456789abcdef'],
  ['<the encryption key of this installation>'],
  ['xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'],
  ['too-short-for-a-master-key'],
])('S01 does not start with %j as encryption key, and names the variable', (key) => {
  expect(issuesOf({ env: { ENCRYPTION_KEY: key } })).toEqual([
    expect.stringMatching(/^ENCRYPTION_KEY encryptionKey: /),
  ])
})

test('never shows a refused secret', () => {
  const issues = issuesOf({
    env: { ENCRYPTION_KEY: 'hunter2-hunter2', DATABASE_URL: 'mysql://u:hunter2@h' },
  })
  expect(issues).toHaveLength(2)
  expect(issues.join()).not.toContain('hunter2')
})

test('holds secrets in a type that does not print them', () => {
  const key = 'c0rrect-horse-battery-staple'
  const config = loadConfig({ env: { PORTICO_ADMIN_KEY: key } })
  expect(inspect(config) + JSON.stringify(config) + String(config.adminKey)).not.toContain(key)
  expect(config.adminKey?.reveal()).toBe(key)
})

test('cannot be changed afterwards', () => {
  const { server } = loadConfig({ env: {} })
  expect(() => Object.assign(server, { port: 1 })).toThrow(TypeError)
  expect(() => server.allowedHosts.push('evil.example')).toThrow(TypeError)
})

test('listens on every address once a public name is configured, unless a host is', () => {
  const env = { PORTICO_PUBLIC_URL: 'https://gateway.example.com' }
  expect(loadConfig({ env }).server.host).toBe('0.0.0.0')
  expect(loadConfig({ env: { ...env, PORTICO_HOST: '10.0.0.5' } }).server.host).toBe('10.0.0.5')
  expect(loadConfig({ env: { PORTICO_PUBLIC_URL: 'http://localhost:8437' } }).server.host).toBe(
    '127.0.0.1',
  )
})

test('does not let the two listeners share a port or an origin', () => {
  expect(issuesOf({ env: { PORTICO_DASHBOARD_PORT: '8437' } })).toEqual([
    expect.stringMatching(/^server\.dashboardPort: must differ/),
  ])
  const url = 'https://gateway.example.com'
  expect(
    issuesOf({ env: { PORTICO_PUBLIC_URL: url, PORTICO_DASHBOARD_URL: `${url}:443/ui` } }),
  ).toEqual([expect.stringMatching(/^server\.dashboardUrl: must not share its origin/)])
})

function issuesOf(sources: ConfigSources): string[] {
  try {
    loadConfig(sources)
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'invalid_config') throw error
    return (error.details.issues ?? []).map((issue) => `${issue.path}: ${issue.message}`)
  }
  return []
}
