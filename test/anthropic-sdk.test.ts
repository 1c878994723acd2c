import Anthropic from '@anthropic-ai/sdk'
import { describe, expect, test } from 'vitest'
import { providerCredential, startGateway } from './support/portico.ts'
import type { Gateway } from './support/portico.ts'
import { chatEvents, eventStream, toolCall, toolCallStream } from './support/upstream-answers.ts'
import { failing, stall } from './support/upstream-faults.ts'

const connect = ({ key, portico }: Gateway) =>
  new Anthropic({ apiKey: key, baseURL: portico.url, maxRetries: 0 })

const asked = {
  model: 'm',
  max_tokens: 100,
  messages: [{ role: 'user' as const, content: 'Say hello' }],
}
const tools = [
  {
    name: 'get_weather',
    input_schema: { type: 'object' as const, properties: { city: { type: 'string' } } },
  },
]

describe('with a provider that speaks Anthropic itself', () => {
  const start = () => startGateway({ provider: { kind: 'anthropic' } })

  test('creates a message', async () => {
    await using gateway = await start()
    const answer = await connect(gateway).messages.create(asked)
    expect(answer.content[0]).toMatchObject({ type: 'text', text: 'Hello there!' })
    expect(answer._request_id).toBe('req_anthropic')
  })

  test('streams a message', async () => {
    await using gateway = await start()
    const stream = connect(gateway).messages.stream(asked)
    expect(await stream.finalText()).toBe('Hello there!')
    expect((await stream.finalMessage()).usage.output_tokens).toBe(4)
  })

  test('passes on the version, the betas and the query, with the credential of the provider', async () => {
    await using gateway = await start()
    const client = connect(gateway)
    await client.beta.messages.create(
      { ...asked, betas: ['context-1m-2025-08-07'] },
      { query: { beta: 'true' }, headers: { 'anthropic-version': '2023-06-01' } },
    )
    const request = gateway.upstream.requests[0]
    expect(request?.url).toBe('/v1/messages?beta=true')
    expect(request?.header('anthropic-version')).toBe('2023-06-01')
    expect(request?.header('anthropic-beta')).toBe('context-1m-2025-08-07')
    expect(request?.header('x-api-key')).toBe(providerCredential)
    expect(JSON.stringify(request?.rawHeaders)).not.toContain(gateway.key)
  })

  test('counts tokens', async () => {
    await using gateway = await start()
    const { messages } = asked
    const answer = await connect(gateway).messages.countTokens({ model: 'm', messages })
    expect(answer.input_tokens).toBe(9)
  })

  test('takes the upstream along when it aborts', async () => {
    await using gateway = await start()
    gateway.upstream.script(stall())
    const leaving = new AbortController()
    const answer = connect(gateway).messages.create(asked, { signal: leaving.signal })
    const request = await gateway.upstream.arrival(1)
    leaving.abort()
    await expect(answer).rejects.toThrow(Anthropic.APIUserAbortError)
    await request.abandoned
  })
})

describe('with a provider that speaks OpenAI', () => {
  test('creates a message', async () => {
    await using gateway = await startGateway()
    const answer = await connect(gateway).messages.create({ ...asked, system: 'Be kind.' })
    expect(answer.content[0]).toMatchObject({ type: 'text', text: 'Hello there!' })
    expect(answer.stop_reason).toBe('end_turn')
    expect(answer.usage).toMatchObject({ input_tokens: 9, output_tokens: 4 })
    const request = gateway.upstream.requests[0]
    expect(request?.url).toBe('/v1/chat/completions')
    expect(request?.json()['messages']).toEqual([
      { role: 'system', content: 'Be kind.' },
      { role: 'user', content: 'Say hello' },
    ])
  })

  test('streams a message with usage', async () => {
    await using gateway = await startGateway()
    const stream = connect(gateway).messages.stream(asked)
    expect(await stream.finalText()).toBe('Hello there!')
    const { usage } = await stream.finalMessage()
    expect(usage).toMatchObject({ input_tokens: 9, output_tokens: 4 })
  })

  test('calls tools, at once and in a stream', async () => {
    await using gateway = await startGateway()
    gateway.upstream.script(toolCall(), toolCallStream())
    const client = connect(gateway)
    const answer = await client.messages.create({ ...asked, tools })
    const call = { type: 'tool_use', name: 'get_weather', input: { city: 'Paris' } }
    expect(answer.content).toMatchObject([call])
    expect(answer.stop_reason).toBe('tool_use')
    const streamed = await client.messages.stream({ ...asked, tools }).finalMessage()
    expect(streamed.content).toMatchObject([call])
  })

  test('hands over the result of a tool', async () => {
    await using gateway = await startGateway()
    await connect(gateway).messages.create({
      ...asked,
      tools,
      messages: [
        ...asked.messages,
        {
          role: 'assistant',
          content: [{ type: 'tool_use', id: 'call_1', name: 'get_weather', input: {} }],
        },
        {
          role: 'user',
          content: [{ type: 'tool_result', tool_use_id: 'call_1', content: 'Sunny' }],
        },
      ],
    })
    const messages = gateway.upstream.requests[0]?.json()['messages'] as object[]
    expect(messages.at(-1)).toEqual({ role: 'tool', tool_call_id: 'call_1', content: 'Sunny' })
  })

  test('ends with an error when the stream of the provider breaks off', async () => {
    await using gateway = await startGateway()
    const [role = '', word = ''] = chatEvents(['Hello'])
    gateway.upstream.script(eventStream([role, word]))
    const stream = connect(gateway).messages.stream(asked)
    await expect(stream.finalMessage()).rejects.toThrow(Anthropic.APIError)
  })
})

test('raises the class of error that belongs to each refusal', async () => {
  await using gateway = await startGateway({ provider: { kind: 'anthropic' } })
  const client = connect(gateway)
  const stranger = new Anthropic({ apiKey: 'ptk_wrong', baseURL: gateway.portico.url })
  await expect(stranger.messages.create(asked)).rejects.toThrow(Anthropic.AuthenticationError)
  const unknown = client.messages.create({ ...asked, model: 'nowhere' })
  await expect(unknown).rejects.toThrow(Anthropic.NotFoundError)
  await expect(unknown).rejects.toMatchObject({
    error: { type: 'error', error: { type: 'not_found_error' } },
  })
  gateway.upstream.script(failing(529))
  await expect(client.messages.create(asked)).rejects.toMatchObject({ status: 529 })
})
