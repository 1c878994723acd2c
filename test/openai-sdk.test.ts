import OpenAI4 from 'openai4'
import OpenAI5 from 'openai5'
import OpenAI6, { toFile } from 'openai'
import { describe, expect, test } from 'vitest'
import { startGateway } from './support/portico.ts'
import type { Gateway } from './support/portico.ts'
import { chat, chatStream, toolCall, toolCallStream } from './support/upstream-answers.ts'
import { failing, hangUpAfter, inBandError, rateLimited, stall } from './support/upstream-faults.ts'

type Sdk = typeof OpenAI6

// The tests use only what all three majors have in common; their types differ in details beyond that.
const majors: [string, Sdk][] = [
  ['openai 4', OpenAI4 as unknown as Sdk],
  ['openai 5', OpenAI5 as unknown as Sdk],
  ['openai 6', OpenAI6],
]

const hello = [{ role: 'user' as const, content: 'Say hello' }]
const weatherTool = {
  type: 'function' as const,
  function: { name: 'get_weather', parameters: { type: 'object', properties: {} } },
}

describe.each(majors)('%s', (_, Sdk) => {
  const connect = (gateway: Gateway, options: object = {}) =>
    new Sdk({ apiKey: gateway.key, baseURL: gateway.baseURL, maxRetries: 0, ...options })

  test('completes a chat and sees the request id of the upstream', async () => {
    await using gateway = await startGateway()
    const answer = await connect(gateway).chat.completions.create({ model: 'm', messages: hello })
    expect(answer.choices[0]?.message.content).toBe('Hello there!')
    expect(answer.usage?.total_tokens).toBe(13)
    expect(answer._request_id).toBe('req_upstream')
  })

  test('streams a chat word by word', async () => {
    await using gateway = await startGateway()
    const stream = await connect(gateway).chat.completions.create({
      model: 'm',
      messages: hello,
      stream: true,
    })
    const words: string[] = []
    for await (const chunk of stream) words.push(chunk.choices[0]?.delta.content ?? '')
    expect(words).toEqual(['', 'Hello', ' there', '!', ''])
  })

  test('gets the usage of a stream when it asks for it', async () => {
    await using gateway = await startGateway()
    const stream = await connect(gateway).chat.completions.create({
      model: 'm',
      messages: hello,
      stream: true,
      stream_options: { include_usage: true },
    })
    const chunks = await Array.fromAsync(stream)
    expect(chunks.at(-1)?.usage?.total_tokens).toBe(13)
  })

  test('calls tools, at once and in a stream', async () => {
    await using gateway = await startGateway()
    gateway.upstream.script(toolCall(), toolCallStream())
    const { completions } = connect(gateway).chat
    const asked = { model: 'm', messages: hello, tools: [weatherTool] }
    const answer = await completions.create(asked)
    const [call] = answer.choices[0]?.message.tool_calls ?? []
    expect(call).toMatchObject({ function: { name: 'get_weather' } })

    let streamed = ''
    for await (const chunk of await completions.create({ ...asked, stream: true })) {
      streamed += chunk.choices[0]?.delta.tool_calls?.[0]?.function?.arguments ?? ''
    }
    expect(JSON.parse(streamed)).toEqual({ city: 'Paris' })
    expect(gateway.upstream.requests[0]?.json()['tools']).toEqual([weatherTool])
  })

  test('gets embeddings as numbers although it asks for base64', async () => {
    await using gateway = await startGateway()
    const answer = await connect(gateway).embeddings.create({ model: 'm', input: ['a', 'b'] })
    expect(answer.data.map((row) => row.embedding)).toEqual([
      [0.25, -1, 2],
      [0.25, -1, 2],
    ])
    expect(gateway.upstream.requests[0]?.json()['encoding_format']).toBe('base64')
  })

  test('uploads a recording to be transcribed', async () => {
    await using gateway = await startGateway()
    await gateway.portico.api('POST', '/api/aliases', {
      name: 'listen',
      targets: [{ provider: 'acme', model: 'm' }],
    })
    const recording = Buffer.from(Uint8Array.from({ length: 70_000 }, (__, index) => index % 251))
    const answer = await connect(gateway).audio.transcriptions.create({
      model: 'listen',
      file: await toFile(recording, 'note.wav'),
      language: 'en',
    })
    expect(answer.text).toBe('Hello from the tape.')
    const form = await (await gateway.upstream.arrival(1)).form()
    expect(form.get('model')).toBe('m')
    expect(form.get('language')).toBe('en')
    const arrived = Buffer.from(await (form.get('file') as File).arrayBuffer())
    expect(arrived.equals(recording)).toBe(true)
  })

  test('receives speech byte for byte', async () => {
    await using gateway = await startGateway()
    const answer = await connect(gateway).audio.speech.create({
      model: 'm',
      input: 'Hi',
      voice: 'alloy',
    })
    expect(answer.headers.get('content-type')).toBe('audio/mpeg')
    expect([...new Uint8Array(await answer.arrayBuffer())]).toEqual([0xff, 0xf3, 0, 1, 2, 0xfe])
  })

  test('lists exactly the models that its key may call', async () => {
    await using gateway = await startGateway({
      provider: { models: ['m', 'secret-model'] },
      key: { allowedModels: ['m'] },
    })
    const models = await Array.fromAsync(connect(gateway).models.list())
    expect(models.map((model) => model.id)).toEqual(['m'])
  })

  test('uses the Responses API, at once and in a stream', async () => {
    await using gateway = await startGateway()
    const { responses } = connect(gateway)
    const answer = await responses.create({ model: 'm', input: 'Say hello' })
    expect(answer.output_text).toBe('Hello there!')
    const events = await Array.fromAsync(
      await responses.create({ model: 'm', input: 'Say hello', stream: true }),
    )
    expect(events[0]?.type).toBe('response.created')
    expect(events.at(-1)?.type).toBe('response.completed')
  })

  test('raises the class of error that belongs to each refusal', async () => {
    await using gateway = await startGateway({ key: { allowedModels: ['m', 'nowhere'] } })
    gateway.upstream.script(failing(422))
    const ask = (model: string, options: object = {}) =>
      connect(gateway, options).chat.completions.create({ model, messages: hello })

    await expect(ask('m', { apiKey: 'ptk_wrong' })).rejects.toThrow(Sdk.AuthenticationError)
    await expect(ask('other')).rejects.toThrow(Sdk.PermissionDeniedError)
    await expect(ask('nowhere')).rejects.toThrow(Sdk.NotFoundError)
    await expect(ask('m')).rejects.toThrow(Sdk.UnprocessableEntityError)
    await expect(ask('m')).rejects.toMatchObject({ type: 'upstream_own_type' })
  })

  test('retries a rate limit as soon as the upstream allows it', async () => {
    await using gateway = await startGateway({ settings: { 'models.cooldown.failures': 100 } })
    gateway.upstream.script(rateLimited({ 'retry-after-ms': '1', 'retry-after': '0' }), chat())
    const answer = await connect(gateway, { maxRetries: 2 }).chat.completions.create({
      model: 'm',
      messages: hello,
    })
    expect(answer.choices[0]?.message.content).toBe('Hello there!')
    expect(gateway.upstream.requests).toHaveLength(2)
  })

  test('raises an error when the upstream dies within a stream', async () => {
    await using gateway = await startGateway()
    gateway.upstream.script(hangUpAfter(['data: {"choices":[{"delta":{"content":"He"}}]}\n\n']))
    const stream = await connect(gateway).chat.completions.create({
      model: 'm',
      messages: hello,
      stream: true,
    })
    await expect(Array.fromAsync(stream)).rejects.toThrow(/broke/)
  })

  test('raises an error that arrives within a stream', async () => {
    await using gateway = await startGateway()
    const first = 'data: {"choices":[{"delta":{"content":"He"}}]}\n\n'
    gateway.upstream.script(hangUpAfter([first, inBandError()]))
    const stream = await connect(gateway).chat.completions.create({
      model: 'm',
      messages: hello,
      stream: true,
    })
    await expect(Array.fromAsync(stream)).rejects.toThrow('The engine fell over')
  })

  test('takes the upstream along when it aborts, waiting or streaming', async () => {
    await using gateway = await startGateway()
    const { upstream } = gateway
    upstream.script(
      stall(),
      chatStream(
        Array.from({ length: 500 }, (__, index) => String(index)),
        { intervalMs: 5 },
      ),
    )
    const { completions } = connect(gateway).chat

    const waiting = new AbortController()
    const answer = completions.create({ model: 'm', messages: hello }, { signal: waiting.signal })
    const first = await upstream.arrival(1)
    waiting.abort()
    await expect(answer).rejects.toThrow(Sdk.APIUserAbortError)
    await first.abandoned

    const stream = await completions.create({ model: 'm', messages: hello, stream: true })
    const second = await upstream.arrival(2)
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content === '3') break
    await second.abandoned
  })
})
