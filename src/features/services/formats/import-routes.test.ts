import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { createManagementApp } from '../../../../test/support/management-app.ts'
import { writeZip } from '../../../../test/support/zip-writer.ts'
import { AppError } from '../../../lib/errors.ts'
import { NewService } from '../../../protocol/api/services.ts'
import type { ExportableService } from './export-services.ts'
import { createImportRoutes } from './import-routes.ts'

const document = {
  mcpServers: {
    'my files': { command: 'npx', args: ['-y', 'files@1.0.0'] },
    away: { url: 'https://a.example/mcp', headers: { 'X-Key': '${KEY}' } },
  },
}

test('a document creates services, and says what became of each', async () => {
  await using api = await startApi()
  const { services } = await api.post('/api/services/import', document)
  expect(services).toMatchObject([
    { name: 'my-files', status: 'created', id: 'svc_1', inputs: [] },
    {
      name: 'away',
      status: 'created',
      message: 'It was created disabled.',
      inputs: [{ name: 'KEY', isSecret: true, fields: ['headers.X-Key'] }],
    },
  ])
  expect(api.services.map(({ settings }) => settings.enabled)).toEqual([true, false])
})

test('what is there already is skipped, another of the same name gets a name of its own', async () => {
  await using api = await startApi()
  await api.post('/api/services/import', document)
  const again = await api.post('/api/services/import', {
    mcpServers: {
      'my files': { command: 'npx', args: ['-y', 'files@1.0.0'] },
      'my-files': { command: 'npx', args: ['-y', 'files@2.0.0'] },
    },
  })
  expect(again.services).toMatchObject([
    { name: 'my-files', status: 'skipped' },
    { name: 'my-files-2', status: 'created', warnings: [expect.stringContaining('my-files')] },
  ])
})

test('a dry run changes nothing and finds the same mistakes', async () => {
  await using api = await startApi()
  const { services } = await api.post('/api/services/import?dryRun=true', {
    mcpServers: { a: { command: 'a' }, b: { command: 'b', env: { 'NOT-A-NAME': '1' } } },
  })
  expect(services).toMatchObject([
    { name: 'a', status: 'created', id: null },
    { name: 'b', status: 'failed', message: expect.stringContaining('upstream.env') },
  ])
  expect(api.services).toEqual([])
})

test('a service that may not be created does not stop the others', async () => {
  await using api = await startApi((name) => {
    if (name === 'a') throw new AppError('insufficient_scope', 'Not with this key.')
  })
  const { services } = await api.post('/api/services/import', {
    mcpServers: { a: { command: 'a' }, b: { url: 'https://b.example/' } },
  })
  expect(services).toMatchObject([
    { name: 'a', status: 'failed', message: 'Not with this key.' },
    { name: 'b', status: 'created' },
  ])
})

test('values of placeholders can come with the document', async () => {
  await using api = await startApi()
  const { services } = await api.post('/api/services/import', {
    format: 'claude-code',
    document,
    inputs: { KEY: 'k' },
  })
  expect(services.flatMap(({ inputs }: { inputs: unknown[] }) => inputs)).toEqual([])
  expect(api.services[1]?.settings.upstream).toMatchObject({
    headers: { 'X-Key': { secret: 'k' } },
  })
})

test('a document in no known format is an error, as is an option that does not exist', async () => {
  await using api = await startApi()
  for (const body of [{ a: 1 }, { document: {}, colour: 1 }]) {
    const answer = await api.inject(
      '/api/services/import',
      JSON.stringify(body),
      'application/json',
    )
    expect([answer.statusCode, answer.json().error.code]).toEqual([400, 'invalid_request'])
  }
})

test('a bundle comes as bytes, and nothing else does', async () => {
  await using api = await startApi()
  const server = { type: 'node', entry_point: 'index.js' }
  const content = JSON.stringify({ name: 'bundle', server })
  const bytes = writeZip([{ name: 'manifest.json', content }])
  const url = '/api/services/import/mcpb?name=other'
  const answer = await api.inject(url, bytes, 'application/octet-stream')
  expect(answer.json()).toMatchObject({
    format: 'mcpb',
    services: [{ name: 'other', status: 'created' }],
  })
  expect((await api.inject(url, '{}', 'application/json')).statusCode).toBe(415)
})

test('services are written down, all or those that are named', async () => {
  await using api = await startApi()
  await api.post('/api/services/import', document)
  const all = await api.app.inject('/api/services/export?format=claude-code')
  expect(all.json()).toEqual({
    mcpServers: {
      'my-files': { type: 'stdio', command: 'npx', args: ['-y', 'files@1.0.0'], env: {} },
      away: { type: 'http', url: 'https://a.example/mcp', headers: { 'X-Key': '${input:KEY}' } },
    },
  })
  const one = await api.app.inject('/api/services/export?services=away')
  expect(one.json()).toMatchObject({ portico: 1, services: [{ name: 'away', enabled: false }] })
})

async function startApi(onCreate: (name: string) => void = () => undefined) {
  const folder = await mkdtempDisposable(path.join(tmpdir(), 'portico-import-'))
  const services: ExportableService[] = []
  const principal = { keyId: 'key_1', workspaceId: 'default', scopes: new Set(['manage' as const]) }
  const plugin = createImportRoutes({
    dataDir: folder.path,
    chooseWorkspace: (asker) => asker.workspaceId,
    services: () => services,
    create: async (_requester, _workspaceId, body) => {
      onCreate(body.name)
      const { isolation = 'shared', ...parsed } = NewService.parse(body)
      services.push({ name: body.name, settings: { ...parsed, isolation } })
      return { id: `svc_${services.length}` }
    },
  })
  const app = await createManagementApp(plugin, { principal })
  const inject = (url: string, payload: string | Buffer, type: string) =>
    app.inject({ method: 'POST', url, payload, headers: { 'content-type': type } })
  return {
    app,
    services,
    inject,
    post: async (url: string, body: object) =>
      (await inject(url, JSON.stringify(body), 'application/json')).json(),
    [Symbol.asyncDispose]: async () => {
      await app.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}
