import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai'
import { expect, test } from 'vitest'
import { startGateway } from './support/portico.ts'
import type { Gateway } from './support/portico.ts'
import { toolCall } from './support/upstream-answers.ts'

const connect = ({ key, baseURL }: Gateway) =>
  new ChatOpenAI({ model: 'm', apiKey: key, maxRetries: 0, configuration: { baseURL } })

test('invokes a chat model', async () => {
  await using gateway = await startGateway()
  const answer = await connect(gateway).invoke('Say hello')
  expect(answer.content).toBe('Hello there!')
  expect(answer.usage_metadata).toMatchObject({ total_tokens: 13 })
})

test('streams a chat model and gets its usage', async () => {
  await using gateway = await startGateway()
  const chunks = await Array.fromAsync(await connect(gateway).stream('Say hello'))
  expect(chunks.map((chunk) => chunk.text).join('')).toBe('Hello there!')
  expect(chunks.map((chunk) => chunk.usage_metadata)).toContainEqual(
    expect.objectContaining({ total_tokens: 13 }),
  )
})

test('binds tools', async () => {
  await using gateway = await startGateway()
  gateway.upstream.script(toolCall())
  const model = connect(gateway).bindTools([
    { type: 'function', function: { name: 'get_weather', parameters: { type: 'object' } } },
  ])
  const answer = await model.invoke('How is the weather in Paris?')
  expect(answer.tool_calls?.[0]).toMatchObject({ name: 'get_weather', args: { city: 'Paris' } })
})

test('embeds documents', async () => {
  await using gateway = await startGateway()
  const embeddings = new OpenAIEmbeddings({
    model: 'm',
    apiKey: gateway.key,
    configuration: { baseURL: gateway.baseURL },
  })
  const vectors = await embeddings.embedDocuments(['a', 'b'])
  expect(vectors).toEqual([
    [0.25, -1, 2],
    [0.25, -1, 2],
  ])
})
