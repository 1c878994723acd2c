/** What goes over the wire in the model benchmarks; the load and the mock upstream have to agree on every byte of it. */

/** How many chunks the unpaced stream has. */
export const burstChunks = 200

/** The request bodies, by name. `fast` is the alias that the gateway has to rewrite. */
export const requestBodies = {
  small: chatBody([{ role: 'user', content: 'Say hello, please.' }]),
  large: chatBody(conversation(100_000)),
  burst: streamBody(burstChunks, 0),
  paced200: streamBody(200, 5),
  paced64: streamBody(50, 20),
  paced512: streamBody(200, 25),
} as const

/** Name of a request body. */
export type RequestBody = keyof typeof requestBodies

/** The body of the answer to a request that does not stream. */
export const answerBody = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-9fK2sYpQ',
    object: 'chat.completion',
    created: 1_700_000_000,
    model: 'm',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: 'Hello there, how can I help you today?' },
        finish_reason: 'stop',
      },
    ],
    usage: { prompt_tokens: 12, completion_tokens: 9, total_tokens: 21 },
  }),
)

/** One event of a stream, as large as OpenAI's. */
export const streamEvent = `data: ${JSON.stringify({
  id: 'chatcmpl-9fK2sYpQ',
  object: 'chat.completion.chunk',
  created: 1_700_000_000,
  model: 'm',
  choices: [{ index: 0, delta: { content: ' token' }, finish_reason: null }],
})}\n\n`

/** The event with which a stream reports usage, when `include_usage` asks for it. */
export const usageEvent = `data: ${JSON.stringify({
  id: 'chatcmpl-9fK2sYpQ',
  object: 'chat.completion.chunk',
  created: 1_700_000_000,
  model: 'm',
  choices: [],
  usage: { prompt_tokens: 12, completion_tokens: 200, total_tokens: 212 },
})}\n\n`

/** The last event of a stream. */
export const doneEvent = 'data: [DONE]\n\n'

/** Length in bytes of the streamed answer that a client sees who did not ask for usage. */
export function streamBytes(chunks: number): number {
  return chunks * Buffer.byteLength(streamEvent) + Buffer.byteLength(doneEvent)
}

/** What the mock upstream reads from a request that streams: how many chunks, how far apart, and whether usage is wanted. */
export interface StreamOrder {
  readonly chunks: number
  readonly intervalMs: number
  readonly includeUsage: boolean
}

/** Reads the order from the body of a request that streams. Throws when it has none. */
export function parseStreamOrder(body: Buffer): StreamOrder {
  const asked = JSON.parse(body.toString()) as {
    user: string
    stream_options?: { include_usage?: boolean }
  }
  const order = /^(\d+) chunks every (\d+) ms$/.exec(asked.user)
  if (!order) throw new Error(`Not an order for a stream: ${asked.user}`)
  return {
    chunks: Number(order[1]),
    intervalMs: Number(order[2]),
    includeUsage: asked.stream_options?.include_usage === true,
  }
}

interface Message {
  readonly role: string
  readonly content: string
}

function chatBody(messages: readonly Message[]): Buffer {
  return Buffer.from(JSON.stringify({ model: 'fast', messages, temperature: 0.7, max_tokens: 64 }))
}

function streamBody(chunks: number, intervalMs: number): Buffer {
  const messages = [{ role: 'user', content: 'Tell me a story.' }]
  const user = `${chunks} chunks every ${intervalMs} ms`
  return Buffer.from(JSON.stringify({ model: 'fast', stream: true, user, messages }))
}

/** A long talk with code and quotes in it, so that its JSON has escapes as real ones do. */
function conversation(sizeBytes: number): Message[] {
  const messages: Message[] = [{ role: 'system', content: 'You are a careful assistant.' }]
  const turn =
    'Look at this function:\n\n```js\nif (name === "model") {\n\treturn "a \\ b"\n}\n```\n\n' +
    'It should keep “quotes”, unknown fields and numbers as they are. '.repeat(6)
  for (let bytes = 0; bytes < sizeBytes; bytes += JSON.stringify(turn).length + 40) {
    messages.push({ role: messages.length % 2 === 1 ? 'user' : 'assistant', content: turn })
  }
  return messages
}
