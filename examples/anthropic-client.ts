// Speaks Anthropic's API to a provider that does not: Portico translates, streams included.
import assert from 'node:assert/strict'
import Anthropic from '@anthropic-ai/sdk'

const { PORTICO_URL = 'http://127.0.0.1:8437', PORTICO_KEY = '' } = process.env
const client = new Anthropic({ baseURL: PORTICO_URL, apiKey: PORTICO_KEY })

const stream = client.messages.stream({
  model: 'portico/echo',
  max_tokens: 100,
  messages: [{ role: 'user', content: 'The same door' }],
})
const message = await stream.finalMessage()
const [block] = message.content
console.log(message.stop_reason, block)

assert(block?.type === 'text')
assert.equal(block.text, 'The same door')
assert.equal(message.usage.output_tokens, 3)
