import { expect, test, vi } from 'vitest'
import { serveExchanges } from '../../test/support/exchange-server.ts'
import { deferManagement } from './deferred-management.ts'
import type { Management } from './management.ts'

function createManagement() {
  return {
    handle: vi.fn<Management['handle']>(({ res }) => void res.end('managed')),
    openApi: () => ({ openapi: '3.1.0' }),
    [Symbol.asyncDispose]: vi.fn<() => Promise<void>>(async () => {}),
  } satisfies Management
}

const log = {
  debug: vi.fn<() => void>(),
  info: vi.fn<() => void>(),
  warn: vi.fn<() => void>(),
  error: vi.fn<(fields: object) => void>(),
  fatal: vi.fn<() => void>(),
}

test('requests that come while the management API loads wait for the same load', async () => {
  const gate = Promise.withResolvers<Management>()
  const load = vi.fn<() => Promise<Management>>(() => gate.promise)
  const management = deferManagement(load, log)
  await using server = await serveExchanges((exchange) => management.handle(exchange))
  const asked = [fetch(server.url), fetch(server.url)]
  const document = management.openApi()
  gate.resolve(createManagement())
  const answers = await Promise.all(asked)
  expect(await Promise.all(answers.map((answer) => answer.text()))).toEqual(['managed', 'managed'])
  expect(await document).toEqual({ openapi: '3.1.0' })
  expect(load).toHaveBeenCalledOnce()
})

test('a load that fails is answered with 500 and logged, and the next request tries again', async () => {
  const failure = new Error('a file is missing')
  const load = vi.fn<() => Promise<Management>>(async () => createManagement())
  load.mockRejectedValueOnce(failure)
  const management = deferManagement(load, log)
  await using server = await serveExchanges((exchange) => management.handle(exchange))
  const refused = await fetch(server.url)
  expect(refused.status).toBe(500)
  expect(await refused.text()).not.toContain('a file is missing')
  expect(log.error.mock.calls[0]?.[0]).toMatchObject({ err: failure, id: 'req_1' })
  expect((await fetch(server.url)).status).toBe(200)
})

test('what was never asked for is neither loaded nor closed', async () => {
  const load = vi.fn<() => Promise<Management>>()
  await deferManagement(load, log)[Symbol.asyncDispose]()
  expect(load).not.toHaveBeenCalled()
})

test('what was loaded is closed', async () => {
  const loaded = createManagement()
  const management = deferManagement(async () => loaded, log)
  await management.openApi()
  await management[Symbol.asyncDispose]()
  expect(loaded[Symbol.asyncDispose]).toHaveBeenCalledOnce()
})
