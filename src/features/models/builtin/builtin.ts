import type { Clock } from '../../../lib/clock.ts'
import { AppError } from '../../../lib/errors.ts'
import { newId } from '../../../lib/ids.ts'
import type {
  OutboundExchange,
  OutboundRequest,
  ResponseSink,
  Upstream,
} from '../../../net/outbound.ts'
import { errorBody } from '../api-errors.ts'
import { chatCompletion, chatEvents, chatPrompt, ChatRequest } from './builtin-chat.ts'
import {
  CompletionsRequest,
  completionsPrompt,
  textCompletion,
  textEvents,
} from './builtin-completions.ts'
import { builtinModelNames, completeBuiltin } from './builtin-models.ts'
import {
  responseEvents,
  responseObject,
  responsesPrompt,
  ResponsesRequest,
} from './builtin-responses.ts'
import { parseBody } from '../json-body.ts'

/** Nobody needs more of an echo, and its words are all held in memory. */
const bodyBytesMax = 8 * 1024 * 1024

/** When the models are said to have been made: 2026-01-01, seconds. */
const modelsCreatedAt = 1_767_225_600

interface Answer {
  readonly status: number
  readonly contentType: string
  /** Sent one a turn of the event loop. */
  readonly chunks: Iterable<string>
}

type Route = (body: Uint8Array, clock: Clock) => Answer

/**
 * The provider `portico` inside this process: an OpenAI-compatible upstream that needs no account, so that a newcomer,
 * a health check or a test can go the whole way. It serves chat/completions, completions, responses and models, and
 * answers anything else 404 in OpenAI's error shape. Running exchanges end by themselves; there is nothing to close.
 */
export function createBuiltinUpstream({ clock }: { clock: Clock }): Upstream {
  return {
    send: (request, sink) => startExchange(request, sink, clock),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

function startExchange(
  request: OutboundRequest,
  sink: ResponseSink,
  clock: Clock,
): OutboundExchange {
  const playback = new Playback(sink)
  readBody(request.body)
    .then((body) => answerTo(request, body, clock))
    .then(
      (answer) => playback.start(answer),
      (error: unknown) => playback.fail(error),
    )
  return playback
}

function answerTo(request: OutboundRequest, body: Uint8Array, clock: Clock): Answer {
  const path = request.path.split('?', 1)[0]?.replace(/^\/v1(?=\/)/, '') ?? ''
  const route = request.method === 'POST' ? postRoutes.get(path) : undefined
  if (route !== undefined) return route(body, clock)
  if (request.method === 'GET' && path === '/models') {
    return jsonAnswer({ object: 'list', data: builtinModelNames.map(modelObject) })
  }
  const name = path.replace('/models/', '').replace(/%2f/i, '/')
  if (request.method === 'GET' && builtinModelNames.includes(name)) {
    return jsonAnswer(modelObject(name))
  }
  throw new AppError('not_found', 'The built-in provider does not serve this path.')
}

const postRoutes: ReadonlyMap<string, Route> = new Map([
  ['/chat/completions', answerChat],
  ['/completions', answerCompletions],
  ['/responses', answerResponses],
])

function answerChat(body: Uint8Array, clock: Clock): Answer {
  const request = parseBody(ChatRequest, body)
  const completion = completeBuiltin(chatPrompt(request), clock)
  const id = newId('chatcmpl')
  if (request.stream !== true) return jsonAnswer(chatCompletion(id, completion))
  return streamAnswer(chatEvents(id, completion, request.stream_options?.include_usage === true))
}

function answerCompletions(body: Uint8Array, clock: Clock): Answer {
  const request = parseBody(CompletionsRequest, body)
  const completion = completeBuiltin(completionsPrompt(request), clock)
  const id = newId('cmpl')
  if (request.stream !== true) return jsonAnswer(textCompletion(id, completion))
  return streamAnswer(textEvents(id, completion, request.stream_options?.include_usage === true))
}

function answerResponses(body: Uint8Array, clock: Clock): Answer {
  const request = parseBody(ResponsesRequest, body)
  const completion = completeBuiltin(responsesPrompt(request), clock)
  const id = newId('resp')
  if (request.stream !== true) return jsonAnswer(responseObject(id, completion))
  return streamAnswer(responseEvents(id, completion))
}

function modelObject(id: string): object {
  return { id, object: 'model', created: modelsCreatedAt, owned_by: 'portico' }
}

function jsonAnswer(value: object): Answer {
  return { status: 200, contentType: 'application/json', chunks: [JSON.stringify(value)] }
}

function streamAnswer(chunks: Iterable<string>): Answer {
  return { status: 200, contentType: 'text/event-stream; charset=utf-8', chunks }
}

async function readBody(body: OutboundRequest['body']): Promise<Uint8Array> {
  if (body === null) return new Uint8Array()
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of body instanceof Uint8Array ? [body] : body) {
    sizeBytes += chunk.byteLength
    if (sizeBytes > bodyBytesMax) {
      throw new AppError('request_too_large', 'The built-in models take bodies of up to 8 MiB.')
    }
    chunks.push(chunk)
  }
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks)
}

/** Plays an answer to a sink, one chunk a turn of the event loop, and waits while the sink asks it to. */
class Playback implements OutboundExchange {
  readonly #sink: ResponseSink
  #chunks: Iterator<string> = [][Symbol.iterator]()
  #paused = false
  #aborted = false

  constructor(sink: ResponseSink) {
    this.#sink = sink
  }

  start({ status, contentType, chunks }: Answer): void {
    if (this.#aborted) return
    this.#chunks = chunks[Symbol.iterator]()
    this.#sink.onStart(status, ['content-type', contentType])
    this.#schedule()
  }

  fail(error: unknown): void {
    if (this.#aborted) return
    if (error instanceof AppError) {
      const { status, body } = errorBody('openai', error, '')
      this.start({ status, contentType: 'application/json', chunks: [body] })
      return
    }
    // Only reading the body can fail otherwise: its sender went away.
    this.#sink.onFailure({ phase: 'headers', kind: 'broken', cause: error as Error })
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#schedule()
  }

  abort(): void {
    this.#aborted = true
  }

  #schedule(): void {
    setImmediate(() => this.#step())
  }

  #step(): void {
    if (this.#aborted) return
    const next = this.#chunks.next()
    if (next.done === true) {
      this.#sink.onEnd()
      return
    }
    // A sink may abort from within; then it wants no turn after this one, which the next step notices.
    this.#paused = !this.#sink.onChunk(Buffer.from(next.value))
    if (!this.#paused) this.#schedule()
  }
}
