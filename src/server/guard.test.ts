import { pino } from 'pino'
import { expect, test } from 'vitest'
import { serveExchanges } from '../../test/support/exchange-server.ts'
import { guardHandlers } from './guard.ts'
import { createOwnRoutes } from './own-routes.ts'

function recordingLog() {
  const lines: string[] = []
  return { lines, log: pino({}, { write: (line) => void lines.push(line) }) }
}

test('S78 what a handler throws is answered as an error without its text, and logged with it', async () => {
  const { lines, log } = recordingLog()
  const guarded = guardHandlers(
    {
      onExchange() {
        throw new Error('secret of the house')
      },
      onUpgrade() {},
    },
    log,
  )
  await using server = await serveExchanges((exchange) => guarded.onExchange(exchange))
  for (const attempt of ['first', 'second']) {
    const response = await fetch(`${server.url}/${attempt}`)
    const text = await response.text()
    expect(response.status).toBe(500)
    expect(text).toContain('"code":"internal_error"')
    expect(text).not.toContain('secret of the house')
  }
  expect(lines).toHaveLength(2)
  expect(lines[0]).toContain('secret of the house')
})

test('S78 a route of the server that fails is answered as an error and logged', async () => {
  const { lines, log } = recordingLog()
  const serve = createOwnRoutes(
    new Map([['/broken', () => Promise.reject(new Error('no store'))]]),
    log,
  )
  await using server = await serveExchanges((exchange) => void serve(exchange))
  const response = await fetch(`${server.url}/broken`)
  expect(response.status).toBe(500)
  expect(await response.text()).not.toContain('no store')
  expect(lines).toHaveLength(1)
})
