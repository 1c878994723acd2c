// Streams a chat through Portico with the official OpenAI SDK.
// PORTICO_URL and PORTICO_KEY say where and with which key.
import assert from 'node:assert/strict'
import OpenAI from 'openai'

const { PORTICO_URL = 'http://127.0.0.1:8437', PORTICO_KEY = '' } = process.env
const client = new OpenAI({ baseURL: `${PORTICO_URL}/v1`, apiKey: PORTICO_KEY })

const stream = await client.chat.completions.create({
  model: 'portico/echo',
  messages: [{ role: 'user', content: 'One door for everything' }],
  stream: true,
})

let text = ''
for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
console.log(text)

assert.equal(text, 'One door for everything')
