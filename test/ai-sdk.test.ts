import { createOpenAI } from '@ai-sdk/openai'
import { APICallError, embed, generateText, jsonSchema, streamText, tool } from 'ai'
import { expect, test } from 'vitest'
import { startGateway } from './support/portico.ts'
import type { Gateway } from './support/portico.ts'
import { chatEvents, eventStream, toolCallStream } from './support/upstream-answers.ts'
import { failing, inBandError } from './support/upstream-faults.ts'

const connect = ({ key, baseURL }: Gateway) => createOpenAI({ apiKey: key, baseURL })
const prompt = 'Say hello'

test('generates text over chat completions and over responses', async () => {
  await using gateway = await startGateway()
  const openai = connect(gateway)
  const chat = await generateText({ model: openai.chat('m'), prompt })
  expect(chat.text).toBe('Hello there!')
  expect(chat.usage.totalTokens).toBe(13)
  const response = await generateText({ model: openai('m'), prompt })
  expect(response.text).toBe('Hello there!')
})

test('streams text over chat completions and over responses', async () => {
  await using gateway = await startGateway()
  const openai = connect(gateway)
  const chat = streamText({ model: openai.chat('m'), prompt })
  expect(await Array.fromAsync(chat.textStream)).toEqual(['Hello', ' there', '!'])
  expect((await chat.usage).totalTokens).toBe(13)
  const response = streamText({ model: openai('m'), prompt })
  expect((await Array.fromAsync(response.textStream)).join('')).toBe('Hello there!')
})

test('collects a tool call from its streamed parts', async () => {
  await using gateway = await startGateway()
  gateway.upstream.script(toolCallStream())
  const inputSchema = jsonSchema<{ city: string }>({
    type: 'object',
    properties: { city: { type: 'string' } },
  })
  const result = streamText({
    model: connect(gateway).chat('m'),
    prompt,
    tools: { get_weather: tool({ inputSchema }) },
  })
  const [call] = await result.toolCalls
  expect(call).toMatchObject({ toolName: 'get_weather', input: { city: 'Paris' } })
})

test('embeds a text', async () => {
  await using gateway = await startGateway()
  const { embedding } = await embed({ model: connect(gateway).embedding('m'), value: 'a' })
  expect(embedding).toEqual([0.25, -1, 2])
})

test('understands our errors and those of the upstream', async () => {
  await using gateway = await startGateway()
  const openai = connect(gateway)
  const unknown = generateText({ model: openai.chat('nowhere'), prompt, maxRetries: 0 })
  await expect(unknown).rejects.toSatisfy(
    (error) => APICallError.isInstance(error) && error.statusCode === 404,
  )
  gateway.upstream.script(failing(422))
  const failed = generateText({ model: openai.chat('m'), prompt, maxRetries: 0 })
  await expect(failed).rejects.toThrow('Failed with 422')
})

test('passes an error within a stream on as an error part', async () => {
  await using gateway = await startGateway()
  const [role = '', word = ''] = chatEvents(['Hello'])
  gateway.upstream.script(eventStream([role, word, inBandError(), 'data: [DONE]\n\n']))
  const result = streamText({ model: connect(gateway).chat('m'), prompt, onError: () => {} })
  const parts = await Array.fromAsync(result.fullStream)
  const types = parts.map((part) => part.type)
  expect(types.indexOf('error')).toBeGreaterThan(types.indexOf('text-delta'))
})
