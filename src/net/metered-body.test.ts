import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { listenOnLoopback } from '../../test/support/raw-http.ts'
import { meteredBody } from './metered-body.ts'
import { ClientGone } from './request-body.ts'

/** A request whose body a test sends bit by bit. */
async function startUpload() {
  const server = createServer()
  const port = await listenOnLoopback(server)
  const client: ClientRequest = request({ port, host: '127.0.0.1', method: 'POST' })
  // A connection that the server cuts is an error to the client, and here no surprise.
  client.on('error', () => {})
  client.flushHeaders()
  const [req, res] = (await once(server, 'request')) as [IncomingMessage, ServerResponse]
  return {
    client,
    req,
    res,
    async [Symbol.asyncDispose]() {
      client.destroy()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const generous = { bytesMax: 1024 * 1024, stallMs: 10_000 }

test('gives the body as it came', async () => {
  await using upload = await startUpload()
  upload.client.end('some bytes')
  const body = await buffer(meteredBody(upload.req, generous))
  expect(body.toString()).toBe('some bytes')
})

test('fails as soon as the body is too long, and the client can still be answered', async () => {
  await using upload = await startUpload()
  const reading = buffer(meteredBody(upload.req, { ...generous, bytesMax: 10 }))
  upload.client.write('far too many bytes')
  await expect(reading).rejects.toMatchObject({ code: 'request_too_large' })
  const answered = once(upload.client, 'response')
  upload.res.writeHead(413).end()
  const [response] = (await answered) as [IncomingMessage]
  expect(response.statusCode).toBe(413)
})

test('fails when the client stands still, and the client can still be answered', async () => {
  await using upload = await startUpload()
  upload.client.write('a beginning')
  const reading = buffer(meteredBody(upload.req, { ...generous, stallMs: 50 }))
  await expect(reading).rejects.toMatchObject({ code: 'request_timeout' })
  const answered = once(upload.client, 'response')
  upload.res.writeHead(408).end()
  const [response] = (await answered) as [IncomingMessage]
  expect(response.statusCode).toBe(408)
})

test('does not hold the slowness of its reader against the client', async () => {
  await using upload = await startUpload()
  const body = meteredBody(upload.req, { ...generous, stallMs: 60 })
  upload.client.end(Buffer.alloc(500_000))
  const chunks = body[Symbol.asyncIterator]()
  let size = 0
  for (let read = 0; read < 3; read += 1) {
    size += ((await chunks.next()).value as Buffer).length
    // Longer than a client may stand still: what is tested is that it has no effect.
    await pause(90)
  }
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
    size += (next.value as Buffer).length
  }
  expect(size).toBe(500_000)
})

test('fails when the client leaves', async () => {
  await using upload = await startUpload()
  const reading = buffer(meteredBody(upload.req, generous))
  upload.client.write('a beginning')
  upload.client.destroy()
  await expect(reading).rejects.toBeInstanceOf(ClientGone)
})

test('throws away what nobody reads any more', async () => {
  await using upload = await startUpload()
  const body = meteredBody(upload.req, generous)
  upload.client.write('a beginning')
  await once(body, 'readable')
  body.destroy()
  const ended = once(upload.req, 'end')
  upload.client.end(Buffer.alloc(300_000))
  expect(await ended).toEqual([])
})
