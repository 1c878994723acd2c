import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NewService } from '../../../protocol/api/services.ts'
import { exportServices, type ExportableService } from './export-services.ts'
import type { NewServiceBody } from './import-services.ts'
import { fillIn } from './placeholders.ts'
import { readDocument } from './read-document.ts'

const clientFormats = ['claude-desktop', 'cursor', 'vscode', 'claude-code'] as const

const secretive = toService({
  name: 'my.api',
  upstream: {
    kind: 'process',
    command: 'x',
    env: { API_KEY: { secret: '••••' }, USER_TOKEN: { perUser: true }, MODE: 'fast' },
  },
})

test.each([
  ['claude-desktop', '${API_KEY}'],
  ['claude-code', '${API_KEY}'],
  ['cursor', '${env:API_KEY}'],
  ['vscode', '${input:my_api-API_KEY}'],
] as const)('in the format of %s a secret is a placeholder of its kind', (format, text) => {
  const document = exportServices([secretive], format)
  const servers = (document['mcpServers'] ?? document['servers']) as Record<string, object>
  expect(servers['my.api']).toMatchObject({ env: { API_KEY: text, MODE: 'fast' } })
  expect(JSON.stringify(document)).not.toContain('••••')
})

test('VS Code is told what to ask for', () => {
  expect(exportServices([secretive], 'vscode')['inputs']).toEqual([
    { type: 'promptString', id: 'my_api-API_KEY', description: 'API_KEY', password: true },
    { type: 'promptString', id: 'my_api-USER_TOKEN', description: 'USER_TOKEN', password: true },
  ])
})

test('our own format keeps every setting, and what each user gives', () => {
  const document = exportServices([secretive], 'portico')
  const [service] = document['services'] as { upstream: object }[]
  expect(service).toMatchObject({ name: 'my.api', idleStopMs: 600_000, filter: { tools: {} } })
  expect(service?.upstream).toMatchObject({
    env: {
      API_KEY: { secret: '${input:my_api-API_KEY}' },
      USER_TOKEN: { perUser: true },
      MODE: 'fast',
    },
  })
  const { read } = readDocument(document)
  const values = { 'my_api-API_KEY': 'k' }
  const filled = fillIn(read.services[0] as never, read.inputs, values)
  expect(filled.service.body.upstream).toMatchObject({ env: { API_KEY: { secret: 'k' } } })
})

const plainText = fc.stringMatching(/^[ -~]{1,12}$/).filter((text) => !/[${]|sk-|:\/\//.test(text))
const variable = fc.stringMatching(/^[A-BX-Z_]{1,6}$/)
const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,10}[a-z0-9]$/)
const processUpstream = fc.record({
  kind: fc.constant('process' as const),
  command: plainText,
  args: fc.array(plainText, { maxLength: 4 }),
  env: fc.dictionary(variable, plainText, { noNullPrototype: true }),
})
const remoteUpstream = fc.record({
  kind: fc.constant('remote' as const),
  url: fc.constantFrom('https://a.example/mcp', 'https://b.example/x?y=1'),
  transport: fc.constantFrom('streamable-http' as const, 'sse' as const),
  headers: fc.dictionary(variable, plainText, { noNullPrototype: true }),
})

test.each(clientFormats)('what is plain comes back from the format of %s', (format) => {
  const holdsRemotes = format === 'vscode' || format === 'claude-code'
  const upstream = holdsRemotes ? fc.oneof(processUpstream, remoteUpstream) : processUpstream
  const bodies = fc.uniqueArray(fc.record({ name, upstream }), { selector: (body) => body.name })
  fc.assert(
    fc.property(bodies, (plain) => {
      expect(sorted(roundTrip(plain.map(toService), format))).toEqual(sorted(plain.map(toBody)))
    }),
  )
})

test('everything that is plain comes back from our own format', () => {
  const body = fc.record({
    name,
    upstream: fc.oneof(
      processUpstream,
      remoteUpstream,
      fc.record({ kind: fc.constant('builtin' as const), server: fc.constant('think' as const) }),
    ),
    description: plainText,
    enabled: fc.boolean(),
    isolation: fc.constantFrom('shared' as const, 'per-call' as const),
    timeoutMs: fc.integer({ min: 100, max: 1000 }),
  })
  fc.assert(
    fc.property(fc.uniqueArray(body, { selector: (each) => each.name }), (plain) => {
      expect(roundTrip(plain.map(toService), 'portico')).toEqual(plain.map(toBody))
    }),
  )
})

function roundTrip(
  services: ExportableService[],
  format: 'portico' | (typeof clientFormats)[number],
) {
  if (services.length === 0) return []
  const text = JSON.stringify(exportServices(services, format))
  const { read } = readDocument(JSON.parse(text) as Record<string, unknown>, format)
  return read.services.map((service) => {
    const filled = fillIn(service, read.inputs, {})
    return toBody({ name: service.name, ...filled.service.body })
  })
}

/** With every default in its place. */
function toBody(body: NewServiceBody) {
  const { isolation = 'shared', ...parsed } = NewService.parse(body)
  return { ...parsed, isolation }
}

function toService(body: NewServiceBody): ExportableService {
  return { name: body.name, settings: toBody(body) }
}

function sorted<Item extends { name: string }>(items: Item[]): Item[] {
  return items.toSorted((one, other) => (one.name < other.name ? -1 : 1))
}
