import { once } from 'node:events'
import { request } from 'node:http'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startGateway } from '../../../../test/support/portico.ts'
import type { Gateway } from '../../../../test/support/portico.ts'
import type { Behaviour } from '../../../../test/support/upstream.ts'

const MiB = 1024 * 1024
const boundary = 'b-o-u-n-d-a-r-y'
const part = (disposition: string, value = '') =>
  `--${boundary}\r\ncontent-disposition: form-data; ${disposition}\r\n\r\n${value}`
const model = `${part('name="model"', 'whisper')}\r\n`
const file = part('name="file"; filename="tape.mp3"')
const end = `\r\n--${boundary}--\r\n`

/** Begins an upload whose body the test sends bit by bit. */
function upload({ portico, key }: Gateway, headers: Record<string, string> = {}): ClientRequest {
  const client = request(`${portico.url}/v1/audio/transcriptions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': `multipart/form-data; boundary=${boundary}`,
      ...headers,
    },
  })
  client.on('error', () => {})
  return client
}

async function answerTo(client: ClientRequest): Promise<{ status: number; body: string }> {
  const [response] = (await once(client, 'response')) as [IncomingMessage]
  return { status: response.statusCode ?? 0, body: await text(response) }
}

const aliased = { provider: { models: ['whisper@whisper-large-v3'] } }

test('the model of a form is replaced, and the length that was told stays true', async () => {
  await using gateway = await startGateway(aliased)
  const body = model + file + 'sound' + end
  const client = upload(gateway, { 'content-length': String(body.length) })
  client.end(body)
  expect((await answerTo(client)).status).toBe(200)
  const [received] = gateway.upstream.requests
  const form = await received?.form()
  expect(form?.get('model')).toBe('whisper-large-v3')
  expect(await (form?.get('file') as File | undefined)?.text()).toBe('sound')
  expect(received?.header('content-length')).toBe(String(received?.body.length))
})

test('the model may come behind the file, as long as the file can be held', async () => {
  await using gateway = await startGateway({
    ...aliased,
    settings: { 'limits.modelBodyBytesMax': 1000 },
  })
  const small = upload(gateway)
  small.end(`${file}sound\r\n${model.trimEnd()}${end}`)
  expect((await answerTo(small)).status).toBe(200)
  const large = upload(gateway)
  large.end(`${file}${'x'.repeat(500_000)}\r\n${model.trimEnd()}${end}`)
  const refused = await answerTo(large)
  expect(refused.status).toBe(413)
  expect(refused.body).toContain('Send the field \\"model\\" before the file')
})

test('200 MB are read no faster than the upstream takes them, and that is not held against the client', async () => {
  await using gateway = await startGateway({
    ...aliased,
    settings: { 'limits.bodyTimeoutMs': 100 },
  })
  const proceed = Promise.withResolvers<void>()
  let received = 0
  gateway.upstream.script(async ({ req, res }) => {
    await proceed.promise
    for await (const chunk of req) received += (chunk as Buffer).length
    res.end('{}')
  })
  const client = upload(gateway)
  const answered = answerTo(client)
  client.write(model + file)
  const piece = Buffer.alloc(MiB, 'x')
  let sent = 0
  const sending = (async () => {
    for (; sent < 200; sent += 1) if (!client.write(piece)) await once(client, 'drain')
    client.end(end)
  })()
  await gateway.upstream.arrival(1)
  // What fits into the buffers on the way, and no more, however long one waits.
  let before: number
  do {
    before = sent
    await pause(150)
  } while (sent > before)
  expect(sent).toBeLessThan(40)
  proceed.resolve()
  await sending
  expect((await answered).status).toBe(200)
  expect(received).toBeGreaterThan(200 * MiB)
})

test.each([
  [408, 'stands still', 'sound'],
  [413, 'is too long', 'x'.repeat(3000)],
  [400, 'names its model twice', `sound\r\n${model}${end.trimStart()}`],
])(
  'is refused with %i, and the upstream not blamed: an upload that %s',
  async (status, _what, rest) => {
    const limits = { 'limits.bodyTimeoutMs': 200, 'limits.uploadBytesMax': 2000 }
    const settings = { ...limits, 'models.cooldown.failures': 1 }
    await using gateway = await startGateway({ ...aliased, settings })
    const client = upload(gateway)
    const answered = answerTo(client)
    client.write(model + file)
    const received = await gateway.upstream.arrival(1)
    client.write(rest)
    expect((await answered).status).toBe(status)
    await received.abandoned
    const { providers } = await gateway.portico.api<{ providers: { health: { state: string } }[] }>(
      'GET',
      '/api/providers',
    )
    expect(providers.map(({ health }) => health.state)).not.toContain('cooling')
    client.destroy()
  },
)

test('a client that leaves takes the upload to the upstream along', async () => {
  await using gateway = await startGateway(aliased)
  const reading: Behaviour = async ({ receive }) => void (await receive())
  gateway.upstream.script(reading)
  const client = upload(gateway)
  client.write(`${model}${file}a beginning`)
  const received = await gateway.upstream.arrival(1)
  client.destroy()
  expect(await received.abandoned).toBeGreaterThan(0)
})

test.each([
  ['no boundary', 'multipart/form-data', 415],
  ['another type', 'application/json', 415],
  ['a form that is none', `multipart/form-data; boundary=${boundary}`, 400],
])('%s is refused', async (_what, type, status) => {
  await using gateway = await startGateway(aliased)
  const client = upload(gateway, { 'content-type': type })
  client.end('no form at all, and longer than any boundary that could have begun it')
  expect((await answerTo(client)).status).toBe(status)
  expect(gateway.upstream.requests).toHaveLength(0)
})
