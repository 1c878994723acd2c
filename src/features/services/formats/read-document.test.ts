import { expect, test } from 'vitest'
import type { JsonObject } from '../wire/json.ts'
import { fillIn } from './placeholders.ts'
import { readDocument } from './read-document.ts'

test('the configuration of Claude Desktop gives programs, with their secrets sealed', () => {
  const { format, services } = read({
    mcpServers: {
      github: {
        command: 'npx',
        args: ['-y', '@modelcontextprotocol/server-github@2025.4.8'],
        env: { GITHUB_PERSONAL_ACCESS_TOKEN: 'ghp_abcdefgh12345678', LOG_LEVEL: 'info' },
      },
    },
  })
  expect(format).toBe('claude-desktop')
  expect(services).toMatchObject([
    {
      name: 'github',
      body: {
        upstream: {
          kind: 'process',
          command: 'npx',
          args: ['-y', '@modelcontextprotocol/server-github@2025.4.8'],
          env: {
            GITHUB_PERSONAL_ACCESS_TOKEN: { secret: 'ghp_abcdefgh12345678' },
            LOG_LEVEL: 'info',
          },
        },
      },
    },
  ])
})

test('a value that looks like a secret is sealed whatever its name', () => {
  const values = ['sk-proj-12345678', 'postgres://me:pass@db/x', 'eyJhbGciOiJI.eyJ.sig']
  for (const value of values) {
    const { services } = read({ mcpServers: { a: { command: 'a', env: { X: value } } } })
    expect(services[0]?.body.upstream).toMatchObject({ env: { X: { secret: value } } })
  }
})

test('Claude Code and Cursor name their transports, others leave them to be found out', () => {
  const { services } = read({
    mcpServers: {
      http: { type: 'http', url: 'https://a.example/mcp', headers: { Authorization: 'Bearer x' } },
      sse: { type: 'sse', url: 'https://a.example/sse' },
      cursor: { url: 'https://a.example/mcp' },
      windsurf: { serverUrl: 'https://a.example/mcp' },
      ws: { url: 'wss://a.example/mcp' },
    },
  })
  expect(services.map(({ body: { upstream } }) => upstream)).toMatchObject([
    { transport: 'streamable-http', headers: { Authorization: { secret: 'Bearer x' } } },
    { transport: 'sse' },
    { transport: 'auto' },
    { transport: 'auto' },
    { transport: 'websocket' },
  ])
})

test('inputs of VS Code are to be asked for, and until then the service is disabled', () => {
  const document = {
    inputs: [{ type: 'promptString', id: 'token', description: 'A token', password: true }],
    servers: {
      perplexity: {
        type: 'stdio',
        command: 'npx',
        args: ['--root', '${workspaceFolder}/x'],
        env: { AUTH: '${input:token}', MODE: '${env:MODE}' },
      },
    },
  }
  const { format, services, missing } = read(document)
  expect(format).toBe('vscode')
  expect(services[0]?.body).toMatchObject({
    enabled: false,
    upstream: {
      args: ['--root', '${input:workspaceFolder}/x'],
      env: { AUTH: '${input:token}', MODE: '${input:MODE}' },
    },
  })
  expect(missing).toEqual([
    { name: 'workspaceFolder', description: '', isSecret: false, fields: ['args.1'] },
    { name: 'token', description: 'A token', isSecret: true, fields: ['env.AUTH'] },
    { name: 'MODE', description: '', isSecret: false, fields: ['env.MODE'] },
  ])

  const filled = read(document, { workspaceFolder: '/w', token: 't', MODE: 'fast' })
  expect(filled.missing).toEqual([])
  expect(filled.services[0]?.body.enabled).toBeUndefined()
  expect(filled.services[0]?.body.upstream).toMatchObject({
    args: ['--root', '/w/x'],
    env: { AUTH: { secret: 't' }, MODE: 'fast' },
  })
})

test('the environment of this process is never read', () => {
  const { services } = read({
    mcpServers: { a: { command: 'a', env: { P: '${env:PATH}', Q: '${PATH}', R: '${NO:-d}' } } },
  })
  expect(services[0]?.body.upstream).toMatchObject({
    env: { P: '${input:PATH}', Q: '${input:PATH}', R: 'd' },
  })
})

test('entries that cannot be read do not keep the others away', () => {
  const { failures, services } = read({
    mcpServers: { a: 1, b: {}, c: { command: 'c', args: 'x' }, d: { command: 'd', foo: 1 } },
  })
  expect(failures.map(({ name }) => name)).toEqual(['a', 'b', 'c'])
  expect(services[0]).toMatchObject({ name: 'd', warnings: [expect.stringContaining('foo')] })
})

test('the inside of mcpServers alone is understood', () => {
  expect(read({ a: { command: 'a' } }).services).toHaveLength(1)
})

test('what is in no known format is refused', () => {
  for (const document of [{}, { a: 1 }, { servers: [] }]) {
    expect(() => readDocument(document)).toThrow('none of the known formats')
  }
})

test('npm packages of a server.json are pinned and run by npx', () => {
  const { format, services, missing } = read({
    $schema: 'https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json',
    name: 'io.github.acme/weather',
    description: 'Weather',
    version: '1.0.2',
    packages: [
      {
        registryType: 'npm',
        identifier: '@acme/weather',
        version: '1.0.2',
        transport: { type: 'stdio' },
        runtimeArguments: [{ type: 'named', name: '--yes' }],
        packageArguments: [
          { type: 'positional', value: 'serve' },
          { type: 'named', name: '--units', default: 'si' },
          { type: 'named', name: '--city', description: 'Optional' },
          { type: 'positional', valueHint: 'folder', isRequired: true, description: 'Where' },
        ],
        environmentVariables: [
          { name: 'WEATHER', isSecret: true, isRequired: true, description: 'A key' },
          { name: 'OPTIONAL' },
          { name: 'URL', value: 'https://{host}/', variables: { host: { default: 'a.example' } } },
        ],
      },
    ],
  })
  expect(format).toBe('server.json')
  expect(services).toMatchObject([
    {
      name: 'weather',
      body: {
        description: 'Weather',
        upstream: {
          command: 'npx',
          args: ['--yes', '@acme/weather@1.0.2', 'serve', '--units', 'si', '${input:folder}'],
          env: { WEATHER: '${input:WEATHER}', URL: 'https://a.example/' },
        },
      },
    },
  ])
  expect(missing).toMatchObject([
    { name: 'folder', isSecret: false },
    { name: 'WEATHER', isSecret: true, description: 'A key' },
  ])
})

test.each([
  ['pypi', { identifier: 'acme', version: '2.0' }, ['uvx', 'acme@2.0']],
  [
    'oci',
    { identifier: 'docker.io/acme/x:1.2', environmentVariables: [{ name: 'A', value: '1' }] },
    ['docker', 'run', '--rm', '-i', '-e', 'A', 'docker.io/acme/x:1.2'],
  ],
  ['oci', { identifier: 'acme/x', version: '1.2' }, ['docker', 'run', '--rm', '-i', 'acme/x:1.2']],
  ['nuget', { identifier: 'Acme', version: '1.0.0' }, ['dnx', 'Acme@1.0.0', '--yes']],
  ['npm', { identifier: '@acme/x', version: '1.0.0' }, ['npx', '-y', '@acme/x@1.0.0']],
])('a package of %s is run by the program for it', (registryType, entry, argv) => {
  const { services } = read({ name: 'a/b', packages: [{ registryType, ...entry }] })
  const upstream = services[0]?.body.upstream
  expect(upstream?.kind === 'process' && [upstream.command, ...(upstream.args ?? [])]).toEqual(argv)
})

test('a remote of a server.json comes before its packages, and a hint at a runtime is no command', () => {
  const packages = [{ registryType: 'npm', identifier: 'x', version: '1.0.0', runtimeHint: 'evil' }]
  const remotes = [
    {
      type: 'streamable-http',
      url: 'https://{tenant}.example/mcp',
      variables: { tenant: { isRequired: true, description: 'Yours' } },
      headers: [{ name: 'X-Api-Key', isRequired: true, isSecret: true }],
    },
  ]
  const both = read({ server: { name: 'a/b', packages, remotes } })
  expect(both.services).toMatchObject([
    {
      warnings: [expect.stringContaining('1 more')],
      body: {
        upstream: {
          kind: 'remote',
          url: 'https://${input:tenant}.example/mcp',
          transport: 'streamable-http',
          headers: { 'X-Api-Key': '${input:X-Api-Key}' },
        },
      },
    },
  ])
  expect(JSON.stringify(read({ name: 'a/b', packages }).services)).not.toContain('evil')
})

test('a server.json that only has a bundle says where to send it', () => {
  const { failures } = read({
    name: 'a/b',
    packages: [{ registryType: 'mcpb', identifier: 'https://a.example/b.mcpb' }],
  })
  expect(failures[0]?.message).toContain('/api/services/import/mcpb')
})

function read(document: JsonObject, values: Record<string, string> = {}) {
  const outcome = readDocument(document)
  const filled = outcome.read.services.map((each) => fillIn(each, outcome.read.inputs, values))
  return {
    format: outcome.format,
    failures: outcome.read.failures,
    services: filled.map(({ service }) => service),
    missing: filled.flatMap(({ missing }) => missing),
  }
}
