import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startGateway } from './support/portico.ts'
import type { Gateway } from './support/portico.ts'
import { openRawClient } from './support/raw-client.ts'
import type { RawClient } from './support/raw-client.ts'
import { json } from './support/upstream-answers.ts'

let gateway: Gateway

beforeAll(async () => {
  gateway = await startGateway({ provider: { models: ['short@a-much-longer-name'] } })
})

afterAll(() => gateway[Symbol.asyncDispose]())

const boundary = "----=_'x(1)+,./:?"

/** Any bytes, and what a careless scanner takes for the end of the file or for another model. */
const file = Buffer.concat([
  Buffer.from(Uint8Array.from({ length: 1_000 }, (_, index) => index % 256)),
  Buffer.from(`\r\n--${boundary.slice(0, -1)}\r\n\r\n--\r\nname="model"\r\n\r\nother\r\n--`),
])

/** A form that names its model in the first part, with the model that is given. */
function formOf(model: string): Buffer {
  return Buffer.concat([
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\n${model}\r\n` +
        `--${boundary}\r\ncontent-disposition: form-data; name="prompt"\r\nx-own: kept\r\n\r\nnaïve\r\n\r\nmodel\r\n` +
        `--${boundary}\r\ncontent-disposition: form-data; name="timestamps[]"\r\n\r\nword\r\n` +
        `--${boundary}\r\ncontent-disposition: form-data; name="timestamps[]"\r\n\r\n\r\n` +
        `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="Größe %221%22.wav"\r\ncontent-type: audio/wav\r\n\r\n`,
    ),
    file,
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ])
}

async function openUpload(path: string): Promise<RawClient> {
  const client = await openRawClient(gateway.portico.port)
  client.send(
    `POST /v1/${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${gateway.key}\r\n`,
    `content-type: multipart/form-data; boundary="${boundary}"\r\nconnection: close\r\n`,
  )
  return client
}

describe.each(['audio/transcriptions', 'audio/translations', 'images/edits', 'images/variations'])(
  'a form for %s reaches the upstream with every byte but those of the model',
  (path) => {
    test('when its length is told', async () => {
      gateway.upstream.script(json(200, { text: 'Hi' }))
      using client = await openUpload(path)
      const form = formOf('short')
      client.send(`content-length: ${form.length}\r\n\r\n`, form)
      expect((await client.closed).toString()).toMatch(/^HTTP\/1\.1 200 /)
      const received = gateway.upstream.requests.at(-1)
      expect(received?.body.toString('latin1')).toBe(
        formOf('a-much-longer-name').toString('latin1'),
      )
      expect(received?.header('content-length')).toBe(String(received?.body.length))
      expect(received?.url).toBe(`/v1/${path}`)
    })

    test('when it comes byte by byte', async () => {
      gateway.upstream.script(json(200, { text: 'Hi' }))
      using client = await openUpload(path)
      client.send('transfer-encoding: chunked\r\n\r\n')
      for (const byte of formOf('short')) {
        client.send('1\r\n', Buffer.of(byte), '\r\n')
        await new Promise(setImmediate)
      }
      client.send('0\r\n\r\n')
      expect((await client.closed).toString()).toMatch(/^HTTP\/1\.1 200 /)
      const received = gateway.upstream.requests.at(-1)
      expect(received?.body.toString('latin1')).toBe(
        formOf('a-much-longer-name').toString('latin1'),
      )
    })
  },
)

test('the beginning of a file is at the upstream while its end has not been sent', async () => {
  const ordinal = gateway.upstream.requests.length + 1
  gateway.upstream.script(json(200, { text: 'Hi' }))
  using client = await openUpload('audio/transcriptions')
  const form = formOf('short')
  const cut = form.length - 200
  client.send(`content-length: ${form.length}\r\n\r\n`, form.subarray(0, cut))
  const received = await gateway.upstream.arrival(ordinal)
  await vi.waitUntil(() => received.body.includes(file.subarray(0, 256)))
  expect(client.received).toHaveLength(0)
  client.send(form.subarray(cut))
  expect((await client.closed).toString()).toMatch(/^HTTP\/1\.1 200 /)
})
