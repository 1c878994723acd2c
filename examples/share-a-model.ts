// Gives a model a name of its own, and somebody a key that may call nothing else, with a budget.
import assert from 'node:assert/strict'
import OpenAI, { PermissionDeniedError } from 'openai'

const { PORTICO_URL = 'http://127.0.0.1:8437', PORTICO_KEY = '' } = process.env

await manage('POST', 'aliases', {
  name: 'parrot',
  targets: [{ provider: 'portico', model: 'portico/echo' }],
})
const { id, key } = await manage<{ id: string; key: string }>('POST', 'keys', {
  name: 'alice',
  allowedModels: ['parrot'],
  requestsPerMinute: 60,
  budget: { month: 5 },
})

const alice = new OpenAI({ baseURL: `${PORTICO_URL}/v1`, apiKey: key })
const models = await alice.models.list()
console.log('alice may call', models.data.map((model) => model.id).join(', '))
assert.deepEqual(
  models.data.map((model) => model.id),
  ['parrot'],
)

const messages = [{ role: 'user' as const, content: 'Hello Alice' }]
const answer = await alice.chat.completions.create({ model: 'parrot', messages })
assert.equal(answer.choices[0]?.message.content, 'Hello Alice')

const refusal = await alice.chat.completions
  .create({ model: 'portico/clock', messages })
  .catch((error: unknown) => error)
assert(refusal instanceof PermissionDeniedError)
console.log('anything else:', refusal.message)

// A key that is gone is gone with the next request.
await manage('DELETE', `keys/${id}`)
const late = await alice.models.list().catch((error: unknown) => error)
assert.match(String(late), /401/)

async function manage<Answer>(method: string, path: string, body?: object): Promise<Answer> {
  const answer = await fetch(`${PORTICO_URL}/api/${path}`, {
    method,
    headers: { authorization: `Bearer ${PORTICO_KEY}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  assert(answer.ok, `${method} ${path}: ${answer.status}`)
  return (answer.status === 204 ? undefined : await answer.json()) as Answer
}
