import { expect, test } from 'vitest'
import { realServer } from './support/mcp-fixture.ts'
import { startMcpGateway, textIn } from './support/mcp-gateway.ts'

const { command, args } = realServer('everything')
const document = {
  mcpServers: {
    everything: { command, args, env: { PLAIN: 'shown', API_TOKEN: 'tok-canary-0042' } },
    'far away': { url: 'https://mcp.example/mcp', headers: { Authorization: 'Bearer ${KEY}' } },
    broken: { args: ['without a command'] },
  },
}

interface Report {
  readonly format: string
  readonly services: readonly {
    readonly name: string
    readonly status: string
    readonly id: string | null
    readonly inputs: readonly { readonly name: string }[]
  }[]
}

test('the configuration of Claude Desktop becomes services, of which none is started', async () => {
  await using gateway = await startMcpGateway()
  const report = await gateway.portico.api<Report>('POST', '/api/services/import', document)
  expect(report).toMatchObject({
    format: 'claude-desktop',
    services: expect.arrayContaining([
      expect.objectContaining({ name: 'everything', status: 'created' }),
      expect.objectContaining({ name: 'broken', status: 'failed' }),
      expect.objectContaining({
        name: 'far-away',
        status: 'created',
        inputs: [expect.objectContaining({ name: 'KEY' })],
      }),
    ]) as unknown,
  })
  const rows = await gateway.portico.api<{ name: string; status: string }[]>('GET', '/api/services')
  expect(rows.map(({ name, status }) => [name, status])).toEqual([
    ['everything', 'stopped'],
    ['far-away', 'stopped'],
  ])
  expect(JSON.stringify(rows)).not.toContain('0042')

  const env = await gateway.call('/everything', 'tools/call', { name: 'get-env', arguments: {} })
  expect(JSON.parse(textIn(env))).toMatchObject({ PLAIN: 'shown', API_TOKEN: 'tok-canary-0042' })
  const again = await gateway.portico.api<Report>('POST', '/api/services/import', document)
  expect(again.services.map(({ status }) => status).toSorted()).toEqual([
    'failed',
    'skipped',
    'skipped',
  ])
})

test('a dry run creates nothing', async () => {
  await using gateway = await startMcpGateway()
  const report = await gateway.portico.api<Report>(
    'POST',
    '/api/services/import?dryRun=true',
    document,
  )
  expect(report.services).toHaveLength(3)
  expect(await gateway.portico.api('GET', '/api/services')).toEqual([])
})

test('what is written down for a client is what was read, without the secrets', async () => {
  await using gateway = await startMcpGateway()
  await gateway.portico.api('POST', '/api/services/import', document)
  const written = await gateway.portico.api('GET', '/api/services/export?format=claude-desktop')
  expect(written).toMatchObject({
    mcpServers: { everything: { command, args: [...args], env: { PLAIN: 'shown' } } },
  })
  expect(JSON.stringify(written)).not.toContain('0042')
  const ours = await gateway.portico.api('GET', '/api/services/export?services=everything')
  await using other = await startMcpGateway()
  const report = await other.portico.api<Report>('POST', '/api/services/import', ours)
  expect(report.services).toMatchObject([{ name: 'everything', status: 'created' }])
})

test('whoever may not have commands run cannot import any', async () => {
  await using gateway = await startMcpGateway()
  const { key } = await gateway.portico.createKey({ scopes: ['manage'] })
  const answer = await gateway.portico.send('POST', '/api/services/import', { key, body: document })
  const { services } = answer.json<Report>()
  expect(services.find(({ name }) => name === 'everything')).toMatchObject({ status: 'failed' })
  const rows = await gateway.portico.api<{ name: string }[]>('GET', '/api/services')
  expect(rows.map(({ name }) => name)).toEqual(['far-away'])
})
