import v8 from 'node:v8'
import { expect, test } from 'vitest'
import { ServiceRelay } from '../src/features/services/relay/service-relay.ts'
import { doneLine, openOutspoken } from './support/outspoken.ts'

test('a request leaves nothing behind at the instance that has served it', async () => {
  await using outspoken = await openOutspoken()
  for (let count = 0; count < 20; count += 1) {
    await outspoken.callPlainly({ lines: [doneLine] })
    await outspoken.callModern({ lines: [doneLine] })
  }
  expect(v8.queryObjects(ServiceRelay, { format: 'count' })).toBeLessThan(5)
})

test('a call that was given up does not keep the log level that it wanted', async () => {
  await using outspoken = await openOutspoken()
  const wanting = (level: string) => ({ 'io.modelcontextprotocol/logLevel': level })
  const levelOf = async (answer: Promise<{ text: string }>) => (await answer).text
  expect(
    await levelOf(outspoken.callModern({ name: 'level', meta: wanting('warning') })),
  ).toContain('"warning"')
  const signal = AbortSignal.timeout(200)
  await outspoken.callModern({ name: 'hang', meta: wanting('debug'), signal }).catch(() => {})
  await expect
    .poll(() => levelOf(outspoken.callModern({ name: 'level', meta: wanting('error') })))
    .toContain('"error"')
})

test('a notification that cancels nothing is taken', async () => {
  await using outspoken = await openOutspoken()
  const answer = await outspoken.portico.send('POST', '/mcp/outspoken', {
    key: outspoken.key,
    headers: { accept: 'application/json' },
    body: { jsonrpc: '2.0', method: 'notifications/cancelled', params: {} },
  })
  expect(answer.status).toBe(202)
})
