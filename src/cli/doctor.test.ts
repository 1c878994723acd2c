import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { examine } from './doctor.ts'

const key = 'ptk_a-key-for-the-doctor'
const wholeStream = 'data: {"choices":[]}\n\ndata: [DONE]\n\n'

afterEach(() => {
  vi.restoreAllMocks()
})

test('finds a gateway well that answers, lists models and streams to the end', async () => {
  await using gateway = await startGateway(answering(wholeStream))
  const { exitCode, lines } = await examineWithKey(gateway.url)
  expect(exitCode).toBe(0)
  expect(lines.filter((line) => line.startsWith('ok'))).toHaveLength(4)
})

test('finds a gateway ill whose stream stops short', async () => {
  await using gateway = await startGateway(answering('data: {"choices":[]}\n\n'))
  const { exitCode, lines } = await examineWithKey(gateway.url)
  expect(exitCode).toBe(1)
  expect(lines).toContain('fail  stream: the stream ended before it was complete')
})

test('shows what a gateway answers that refuses the key', async () => {
  await using gateway = await startGateway((_, res) => {
    res.writeHead(401).end('{"error":{"code":"invalid_api_key"}}')
  })
  const { exitCode, lines } = await examineWithKey(gateway.url)
  expect(exitCode).toBe(1)
  expect(lines.join('\n')).toContain('/v1/models answers 401: {"error":{"code":"invalid_api_key"}}')
})

test('does not send the key along to where a gateway redirects', async () => {
  const seen: unknown[] = []
  await using elsewhere = await startGateway((req, res) => {
    seen.push(req.headers.authorization)
    res.end('[]')
  })
  await using gateway = await startGateway((_, res) => {
    res.writeHead(302, { location: elsewhere.url }).end()
  })
  expect((await examineWithKey(gateway.url)).exitCode).toBe(1)
  expect(seen).toEqual([])
})

function answering(stream: string): RequestListener {
  return (req, res) => {
    const isKeyed = req.headers.authorization === `Bearer ${key}`
    if (req.url === '/v1/models' && isKeyed) res.end('{"data":[{"id":"portico/echo"}]}')
    else if (req.url === '/v1/chat/completions' && isKeyed) res.end(stream)
    else res.writeHead(req.url === '/healthz' || req.url === '/readyz' ? 200 : 404).end()
  }
}

async function examineWithKey(url: string) {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'portico-doctor-'))
  const keyFile = path.join(folder.path, 'key')
  await writeFile(keyFile, `${key}\n`)
  const print = vi.spyOn(console, 'log').mockImplementation(() => undefined)
  const exitCode = await examine({ url, keyFile })
  return { exitCode, lines: print.mock.calls.map(([line]) => String(line)) }
}

async function startGateway(listener: RequestListener) {
  const server = createServer(listener)
  const listening = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', listening.resolve)
  await listening.promise
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      const closed = Promise.withResolvers<unknown>()
      server.close(closed.resolve)
      server.closeAllConnections()
      await closed.promise
    },
  }
}
