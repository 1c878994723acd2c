import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { openServiceManagement } from '../../../../test/support/service-management.ts'
import type { ServiceManagement } from '../../../../test/support/service-management.ts'

const line = { id: 7, at: 0, level: 'info', stream: 'stderr', message: 'two\nlines' }

async function openStream(services: ServiceManagement): Promise<IncomingMessage> {
  const { json } = await services.ask('POST', '/api/services', {
    body: { name: 'a', upstream: { kind: 'builtin', server: 'think' } },
  })
  services.lines.set(json.id, [line])
  await services.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = services.app.server.address() as AddressInfo
  const request = get({ port, path: '/api/services/a/logs/stream' })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return response.setEncoding('utf8')
}

test('the log of a service is followed as events', async () => {
  await using services = await openServiceManagement()
  const response = await openStream(services)
  expect(response.headers['content-type']).toBe('text/event-stream; charset=utf-8')
  const [text] = (await once(response, 'data')) as [string]
  const frame = { type: 'error', timestamp: '1970-01-01T00:00:00.000Z', message: 'two\nlines' }
  expect(text).toBe(`id: 7\ndata: ${JSON.stringify({ ...frame, level: 'info' })}\n\n`)
  await services.management[Symbol.asyncDispose]()
  await once(response, 'end')
})

test('a stream ends when its key no longer works', async () => {
  await using services = await openServiceManagement()
  const response = await openStream(services)
  response.resume()
  services.revoked.add('key_default')
  await once(response, 'end')
  expect(response.complete).toBe(true)
})

test('a WebSocket may follow a log of its own workspace', async () => {
  await using services = await openServiceManagement()
  const { json } = await services.ask('POST', '/api/services', {
    body: { name: 'a', upstream: { kind: 'builtin', server: 'think' } },
  })
  services.lines.set(json.id, [line])
  const frames: unknown[] = []
  const principal = { keyId: 'k', workspaceId: 'default', scopes: new Set(['manage'] as const) }
  services.management.followLogs(principal, 'a', (frame) => frames.push(frame))()
  expect(frames).toEqual([
    { type: 'error', timestamp: '1970-01-01T00:00:00.000Z', message: 'two\nlines' },
  ])
  const stranger = { ...principal, workspaceId: 'other' }
  expect(() => services.management.followLogs(stranger, json.id, () => undefined)).toThrow(
    'There is no such service.',
  )
})
