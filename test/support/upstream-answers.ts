import { setTimeout as pause } from 'node:timers/promises'
import type { Behaviour, UpstreamCall } from './upstream.ts'

/** Headers of an answer beyond its content type, by lower-case name. */
export type AnswerHeaders = Readonly<Record<string, string>>

/** How a stream is sent. */
export interface StreamOptions {
  /** Waiting time between two pieces, ms; 0 writes them as fast as the caller reads. */
  readonly intervalMs?: number
  readonly headers?: AnswerHeaders
}

/** The usage that the answers of this file report. */
export const usage = { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 }

/** Answers with a status, and a body as JSON. */
export function json(status: number, body: unknown, headers: AnswerHeaders = {}): Behaviour {
  return async ({ receive, res }) => {
    await receive()
    const text = JSON.stringify(body)
    res.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      'x-request-id': 'req_upstream',
      ...headers,
    })
    res.end(text)
  }
}

/** Answers with a stream of server-sent events whose bytes are `pieces`, one write each, and ends it properly. */
export function eventStream(
  pieces: readonly (string | Buffer)[],
  options: StreamOptions = {},
): Behaviour {
  return async (call) => {
    await call.receive()
    await startEventStream(call, options)
    await writePieces(call, pieces, options.intervalMs)
    call.res.end()
  }
}

/** Sends the headers of an event stream at once, ahead of any event. */
export async function startEventStream(call: UpstreamCall, options: StreamOptions = {}) {
  call.res.socket?.setNoDelay(true)
  call.res.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'x-request-id': 'req_upstream',
    ...options.headers,
  })
  call.res.flushHeaders()
}

/** Writes the pieces in turn, each on the wire before the next, with `intervalMs` between them. Rejects when the caller goes. */
export async function writePieces(
  call: UpstreamCall,
  pieces: readonly (string | Buffer)[],
  intervalMs = 0,
): Promise<void> {
  for (const piece of pieces) {
    await writePiece(call, piece)
    if (intervalMs > 0) await pause(intervalMs, undefined, { signal: call.gone })
  }
}

/** Writes one piece and resolves when the socket has taken it. Rejects when the caller goes. */
export async function writePiece({ res, gone }: UpstreamCall, piece: string | Buffer) {
  gone.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const leave = () => reject(gone.reason as Error)
  gone.addEventListener('abort', leave, { once: true })
  res.write(piece, () => resolve())
  await promise.finally(() => gone.removeEventListener('abort', leave))
}

/** One event with the value as its `data` line. */
export function event(value: unknown, name?: string): string {
  const data = `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`
  return name === undefined ? data : `event: ${name}\n${data}`
}

/** A chat completion with this text. */
export function chat(content = 'Hello there!', headers: AnswerHeaders = {}): Behaviour {
  const message = { role: 'assistant', content, refusal: null }
  return chatOf(message, 'stop', headers)
}

/** A chat completion that calls the tool `get_weather` for Paris. */
export function toolCall(): Behaviour {
  const called = { name: 'get_weather', arguments: '{"city":"Paris"}' }
  const tool_calls = [{ id: 'call_1', type: 'function', function: called }]
  return chatOf({ role: 'assistant', content: null, refusal: null, tool_calls }, 'tool_calls', {})
}

function chatOf(message: object, finish_reason: string, headers: AnswerHeaders): Behaviour {
  return async (call) => {
    await call.receive()
    const choices = [{ index: 0, message, finish_reason, logprobs: null }]
    const head = { id: 'chatcmpl-1', object: 'chat.completion', created: 1_700_000_000 }
    const body = { ...head, model: call.request.json()['model'], choices, usage }
    await json(200, body, headers)(call)
  }
}

/** The events of a streamed chat completion, one a word, the usage event included where `includeUsage` says so. */
export function chatEvents(
  words: readonly string[],
  options: { model?: unknown; includeUsage?: boolean } = {},
): string[] {
  const head = {
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1_700_000_000,
    model: options.model ?? 'm',
  }
  const chunk = (delta: object, finish_reason: string | null = null) =>
    event({ ...head, choices: [{ index: 0, delta, finish_reason }] })
  return [
    chunk({ role: 'assistant', content: '' }),
    ...words.map((content) => chunk({ content })),
    chunk({}, 'stop'),
    ...(options.includeUsage ? [event({ ...head, choices: [], usage })] : []),
    event('[DONE]'),
  ]
}

/** A streamed chat completion, one event a word. Reports usage where the request asks for it. */
export function chatStream(
  words: readonly string[] = ['Hello', ' there', '!'],
  options: StreamOptions = {},
): Behaviour {
  return async (call) => {
    await call.receive()
    const asked = call.request.json()
    const includeUsage =
      (asked['stream_options'] as { include_usage?: boolean } | undefined)?.include_usage === true
    await eventStream(chatEvents(words, { model: asked['model'], includeUsage }), options)(call)
  }
}

/** A streamed chat completion that calls the tool `get_weather` for Paris, its arguments in two parts. */
export function toolCallStream(): Behaviour {
  const choice = (delta: object, finish_reason: string | null = null) =>
    event({
      id: 'chatcmpl-1',
      object: 'chat.completion.chunk',
      created: 1_700_000_000,
      model: 'm',
      choices: [{ index: 0, delta, finish_reason }],
    })
  const called = (part: object) => choice({ tool_calls: [{ index: 0, ...part }] })
  return eventStream([
    choice({ role: 'assistant', content: null }),
    called({ id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '' } }),
    called({ function: { arguments: '{"city":' } }),
    called({ function: { arguments: '"Paris"}' } }),
    choice({}, 'tool_calls'),
    event('[DONE]'),
  ])
}

/** Embeddings of three dimensions, 0.25, −1 and 2, as numbers or base64 as the request asks. */
export function embeddings(): Behaviour {
  return async (call) => {
    await call.receive()
    const asked = call.request.json()
    const vector = [0.25, -1, 2]
    const bytes = Buffer.from(new Float32Array(vector).buffer)
    const embedding = asked['encoding_format'] === 'base64' ? bytes.toString('base64') : vector
    const inputs = Array.isArray(asked['input']) ? asked['input'].length : 1
    const data = Array.from({ length: inputs }, (_, index) => ({
      object: 'embedding',
      index,
      embedding,
    }))
    const spent = { prompt_tokens: 5, total_tokens: 5 }
    await json(200, { object: 'list', data, model: asked['model'], usage: spent })(call)
  }
}

/** The list of models of an OpenAI-compatible server. */
export function models(...ids: string[]): Behaviour {
  const data = ids.map((id) => ({ id, object: 'model', created: 1_700_000_000, owned_by: 'acme' }))
  return json(200, { object: 'list', data })
}

/** Bytes of this content type, with their length. */
export function bytes(body: Buffer, contentType: string): Behaviour {
  return async ({ receive, res }) => {
    await receive()
    res.writeHead(200, { 'content-type': contentType, 'content-length': body.length })
    res.end(body)
  }
}

/** Answers each path of the OpenAI and Anthropic surfaces with what belongs there. */
export function openAiSurface(): Behaviour {
  return async (call) => {
    await call.receive()
    const path = (call.request.url.split('?')[0] ?? '').replace(/^(\/v1)?\//, '')
    const streams = /"stream": *true/.test(call.request.body.toString())
    await (surface[path]?.(streams) ?? json(404, notFound))(call)
  }
}

const notFound = {
  error: {
    message: 'Unknown path',
    type: 'invalid_request_error',
    param: null,
    code: 'unknown_url',
  },
}

const surface: Record<string, (streams: boolean) => Behaviour> = {
  'chat/completions': (streams) => (streams ? chatStream() : chat()),
  embeddings: () => embeddings(),
  models: () => models('m', 'm-large'),
  responses: (streams) => (streams ? responseStream() : response()),
  messages: (streams) => (streams ? messageStream() : message()),
  'messages/count_tokens': () => json(200, { input_tokens: 9 }),
  'audio/transcriptions': () => json(200, { text: 'Hello from the tape.' }),
  'audio/speech': () => bytes(Buffer.from([0xff, 0xf3, 0, 1, 2, 0xfe]), 'audio/mpeg'),
}

const responseUsage = { input_tokens: 9, output_tokens: 4, total_tokens: 13 }
const responseBody = {
  id: 'resp_1',
  object: 'response',
  created_at: 1_700_000_000,
  status: 'completed',
  model: 'm',
  error: null,
  incomplete_details: null,
  instructions: null,
  metadata: {},
  parallel_tool_calls: true,
  temperature: 1,
  top_p: 1,
  tool_choice: 'auto',
  tools: [],
  output: [
    {
      type: 'message',
      id: 'msg_1',
      status: 'completed',
      role: 'assistant',
      content: [{ type: 'output_text', text: 'Hello there!', annotations: [] }],
    },
  ],
  usage: {
    ...responseUsage,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens_details: { reasoning_tokens: 0 },
  },
}

/** A complete answer of the Responses API. */
export function response(): Behaviour {
  return json(200, responseBody)
}

/** A streamed answer of the Responses API, its usage in the last event. */
export function responseStream(options: StreamOptions = {}): Behaviour {
  const item = { type: 'message', id: 'msg_1', status: 'in_progress', role: 'assistant' }
  const at = { item_id: 'msg_1', output_index: 0, content_index: 0, logprobs: [] }
  const started = { ...responseBody, status: 'in_progress', output: [], usage: null }
  const text = { type: 'output_text', text: '', annotations: [] }
  const events: { type: string; [field: string]: unknown }[] = [
    { type: 'response.created', response: started },
    { type: 'response.output_item.added', output_index: 0, item: { ...item, content: [] } },
    { type: 'response.content_part.added', ...at, part: text },
    { type: 'response.output_text.delta', ...at, delta: 'Hello' },
    { type: 'response.output_text.delta', ...at, delta: ' there!' },
    { type: 'response.output_text.done', ...at, text: 'Hello there!' },
    { type: 'response.output_item.done', output_index: 0, item: responseBody.output[0] },
    { type: 'response.completed', response: responseBody },
  ]
  return eventStream(
    events.map((value, sequence_number) => event({ ...value, sequence_number }, value.type)),
    options,
  )
}

const messageBody = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'm',
  content: [{ type: 'text', text: 'Hello there!' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 9, output_tokens: 4 },
}

/** A complete answer of Anthropic's Messages API. */
export function message(): Behaviour {
  return json(200, messageBody, { 'request-id': 'req_anthropic' })
}

/** A streamed answer of Anthropic's Messages API. */
export function messageStream(options: StreamOptions = {}): Behaviour {
  const open = { ...messageBody, content: [], stop_reason: null }
  const delta = (text: string) => ({
    type: 'content_block_delta',
    index: 0,
    delta: { type: 'text_delta', text },
  })
  const events: { type: string; [field: string]: unknown }[] = [
    {
      type: 'message_start',
      message: { ...open, usage: { input_tokens: 9, output_tokens: 1 } },
    },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'ping' },
    delta('Hello'),
    delta(' there!'),
    { type: 'content_block_stop', index: 0 },
    {
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: 4 },
    },
    { type: 'message_stop' },
  ]
  return eventStream(
    events.map((value) => event(value, value.type)),
    options,
  )
}
