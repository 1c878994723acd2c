import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { listenOnLoopback } from '../../test/support/raw-http.ts'
import { ClientGone, readBody } from './request-body.ts'

/** A request whose body a test sends bit by bit. */
async function startRequest(headers: Record<string, string> = {}) {
  const server = createServer()
  const port = await listenOnLoopback(server)
  const client: ClientRequest = request({ port, host: '127.0.0.1', method: 'POST', headers })
  client.on('error', () => {})
  client.flushHeaders()
  const [req] = (await once(server, 'request')) as [IncomingMessage, ServerResponse]
  return {
    client,
    req,
    async [Symbol.asyncDispose]() {
      client.destroy()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const limits = { bytesMax: 1024 * 1024, stallMs: 10_000 }
const text = Buffer.from('{"model":"m"}')

test('reads a body that comes in pieces', async () => {
  await using incoming = await startRequest()
  incoming.client.write('{"model"')
  incoming.client.end(':"m"}')
  expect(await readBody(incoming.req, limits)).toEqual(text)
})

test.each([
  ['gzip', gzipSync(text)],
  ['deflate', deflateSync(text)],
  ['br', brotliCompressSync(text)],
  ['zstd', zstdCompressSync(text)],
  ['identity', text],
])('undoes %s', async (encoding, bytes) => {
  await using incoming = await startRequest({ 'content-encoding': encoding })
  incoming.client.end(bytes)
  expect(await readBody(incoming.req, limits)).toEqual(text)
})

const bomb = Buffer.alloc(8 * 1024 * 1024)

test.each([
  ['a gzip bomb', 'gzip', { bytes: gzipSync(bomb), code: 'request_too_large' }],
  ['a zstd bomb', 'zstd', { bytes: zstdCompressSync(bomb), code: 'request_too_large' }],
  ['a brotli bomb', 'br', { bytes: brotliCompressSync(bomb), code: 'request_too_large' }],
  ['what is not gzip', 'gzip', { bytes: text, code: 'invalid_request' }],
  ['an encoding it does not know', 'compress', { bytes: text, code: 'unsupported_media_type' }],
  [
    'a word that every object knows',
    'constructor',
    { bytes: text, code: 'unsupported_media_type' },
  ],
  [
    'several encodings',
    'gzip, gzip',
    { bytes: gzipSync(gzipSync(text)), code: 'unsupported_media_type' },
  ],
])('refuses %s', async (_what, encoding, { bytes, code }) => {
  await using incoming = await startRequest({ 'content-encoding': encoding })
  incoming.client.end(bytes)
  await expect(readBody(incoming.req, limits)).rejects.toMatchObject({ code })
})

test('refuses a body that is too long, by what it says and by what comes', async () => {
  await using announced = await startRequest({ 'content-length': String(2 * limits.bytesMax) })
  const refusal = { code: 'request_too_large' }
  await expect(readBody(announced.req, limits)).rejects.toMatchObject(refusal)
  await using chunked = await startRequest()
  const reading = readBody(chunked.req, limits)
  chunked.client.end(bomb)
  await expect(reading).rejects.toMatchObject(refusal)
})

test('refuses a body that stands still', async () => {
  await using incoming = await startRequest()
  incoming.client.write('{"model"')
  const reading = readBody(incoming.req, { ...limits, stallMs: 50 })
  await expect(reading).rejects.toMatchObject({ code: 'request_timeout' })
})

test('tells a client that has left from one that is wrong', async () => {
  await using incoming = await startRequest()
  incoming.client.write('{"model"')
  const reading = readBody(incoming.req, limits)
  incoming.client.destroy()
  await expect(reading).rejects.toBeInstanceOf(ClientGone)
})
