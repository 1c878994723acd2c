import { AppError } from '../../../lib/errors.ts'
import { streamErrorEvent } from '../api-errors.ts'
import type { BodyTransform } from '../relay/body-transform.ts'
import { parseJson } from '../json-body.ts'
import type { TokenUsage } from '../relay/usage-tap.ts'
import { messageId, translateEnding, translateUsage } from './chat-answer.ts'
import { ChatChunk } from './chat-chunk.ts'
import { ContentBlocks } from './content-blocks.ts'
import { translateErrorValue } from './error-translation.ts'
import { EventDataReader } from './event-data.ts'
import type { AnswerContext } from './response-translation.ts'

/** How a stream has gone so far. `failed` ended in an error event; the connection is to be destroyed behind it. */
type StreamOutcome = 'running' | 'complete' | 'failed'

/** Turns the bytes of one chat/completions stream into those of an Anthropic stream. */
export interface StreamTranslation extends BodyTransform {
  /** What is left to say when the upstream's body has ended: the closing events, or an error if it ended too early. */
  end(): Buffer
  /** What the upstream has reported so far. */
  readonly usage: TokenUsage | undefined
  readonly outcome: StreamOutcome
}

/**
 * Begins the translation of one stream.
 * `message_start` goes out with the upstream's first event; its `input_tokens` are `context.inputTokens`, an estimate
 * or 0, because OpenAI reports usage last. `message_delta` carries the real figures for input and output, which
 * Anthropic's clients take over. The stream closes in good order only after a `finish_reason` or `[DONE]`; anything
 * else, an error in the stream included, ends in `event: error`.
 */
export function createStreamTranslation(
  context: AnswerContext & { readonly inputTokens?: number },
): StreamTranslation {
  return new Translation(context)
}

class Translation implements StreamTranslation {
  readonly #context: AnswerContext & { readonly inputTokens?: number }
  readonly #reader = new EventDataReader()
  readonly #blocks = new ContentBlocks((type, fields) => this.#emit(type, fields))
  #out = ''
  #isStarted = false
  #isRefusal = false
  /** The choice that carried the `finish_reason`. */
  #ending: ChatChunk['choice']
  usage: TokenUsage | undefined
  outcome: StreamOutcome = 'running'

  constructor(context: AnswerContext & { readonly inputTokens?: number }) {
    this.#context = context
  }

  push(chunk: Buffer): Buffer {
    return this.#guarded(() => {
      for (const data of this.#reader.push(chunk)) this.#takeEvent(data)
    })
  }

  end(): Buffer {
    return this.#guarded(() => {
      if (this.#ending === undefined) {
        throw new AppError(
          'stream_interrupted',
          'The provider ended the stream before it was complete.',
        )
      }
      this.#close()
    })
  }

  /** Runs one step and takes its output; what goes wrong in it becomes the last event of the stream. */
  #guarded(step: () => void): Buffer {
    if (this.outcome !== 'running') return Buffer.alloc(0)
    let problem: Buffer | undefined
    try {
      step()
    } catch (error) {
      this.outcome = 'failed'
      problem = streamErrorEvent('messages', error, this.#context.requestId)
    }
    const out = Buffer.from(this.#out)
    this.#out = ''
    return problem === undefined ? out : Buffer.concat([out, problem])
  }

  #takeEvent(data: string): void {
    if (this.outcome !== 'running') return
    if (data.trim() === '[DONE]') {
      this.#finishAtDone()
      return
    }
    const value = parseJson(data)
    if (hasError(value)) {
      this.outcome = 'failed'
      const error = translateErrorValue(value) ?? unreadableError
      this.#emit('error', { error, request_id: this.#context.requestId })
      return
    }
    const chunk = ChatChunk.safeParse(value).data
    if (chunk === undefined) {
      throw new AppError('upstream_failed', 'The provider sent an event that is not a chat chunk.')
    }
    this.#takeChunk(chunk)
  }

  #takeChunk({ id, choice, usage }: ChatChunk): void {
    this.#start(id)
    this.usage = usage ?? this.usage
    if (choice === undefined) return
    const { content, refusal, tool_calls: fragments } = choice.delta ?? {}
    if (content) this.#blocks.addText(content)
    if (refusal) {
      this.#isRefusal = true
      this.#blocks.addText(refusal)
    }
    for (const fragment of fragments ?? []) this.#blocks.addFragment(fragment)
    if (choice.finish_reason) this.#ending = choice
  }

  #finishAtDone(): void {
    if (!this.#isStarted) {
      throw new AppError('upstream_failed', 'The provider ended the stream without an answer.')
    }
    this.#close()
  }

  #start(upstreamId: string | null | undefined): void {
    if (this.#isStarted) return
    this.#isStarted = true
    const { model, requestId, inputTokens = 0 } = this.#context
    this.#emit('message_start', {
      message: {
        id: messageId(upstreamId, requestId),
        type: 'message',
        role: 'assistant',
        model,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: translateUsage({ inputTokens, outputTokens: 0, cachedTokens: 0 }),
      },
    })
  }

  #close(): void {
    const choice = this.#ending ?? {}
    this.#blocks.finish(choice.finish_reason === 'length')
    const hasCalls = this.#blocks.hasCalls
    this.#emit('message_delta', {
      delta: translateEnding(choice, { hasCalls, isRefusal: this.#isRefusal }),
      usage: translateUsage(this.usage),
    })
    this.#emit('message_stop', {})
    this.outcome = 'complete'
  }

  #emit(type: string, fields: object): void {
    this.#out += `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`
  }
}

const unreadableError = { type: 'api_error', message: 'The provider reported an error.' }

/** Some servers send `"error": null` with every chunk. */
function hasError(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'error' in value && Boolean(value.error)
}
