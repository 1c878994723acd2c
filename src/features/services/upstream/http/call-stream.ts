import type { AppError } from '../../../../lib/errors.ts'
import type { Call } from '../calls.ts'
import { withoutAnswer, type HttpExchange, type Reply, type ReplyHead } from './http-exchange.ts'

/** What the stream of a call needs of the session that it is part of. */
export interface StreamPort {
  post(call: Call, reply: Reply): HttpExchange
  /** Asks for what came after an event, on the stream of that event. */
  resume(lastEventId: string, reply: Reply): HttpExchange
  /** A whole body of the POST. */
  takeBody(call: Call, bytes: Buffer, head: ReplyHead): void
  takeEvent(call: Call, data: Buffer): void
  fail(call: Call, error: AppError): void
}

const retryMs = 1_000
/** A server that wants to be asked again at once would be asked without end. */
const retryMsMin = 100
const retryMsMax = 60_000
/** Attempts in a row that bring no event. */
const fruitlessMax = 5

/**
 * Carries one call to its answer: by POST, and where the stream ends before that and has told ids of events, by GETs that
 * take it up again, as 2025-11-25 has it for servers that do not keep streams open.
 */
export function startCallStream(port: StreamPort, call: Call): void {
  const stream = new CallStream(port, call)
  call.onOver = (isAnswered) => stream.end(isAnswered)
  stream.begin()
}

class CallStream {
  readonly #port: StreamPort
  readonly #call: Call
  #exchange: HttpExchange | undefined
  #head: ReplyHead | undefined
  #lastEventId = ''
  #retryMs = retryMs
  #fruitless = 0
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  constructor(port: StreamPort, call: Call) {
    this.#port = port
    this.#call = call
  }

  begin(): void {
    this.#exchange = this.#port.post(
      this.#call,
      this.#reply((bytes, head) => this.#port.takeBody(this.#call, bytes, head)),
    )
  }

  end(isAnswered: boolean): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    if (isAnswered) this.#exchange?.expectEnd()
    else this.#exchange?.abort()
  }

  #reply(onBody: Reply['onBody']): Reply {
    return {
      onHead: (head) => void (this.#head = head),
      onBody,
      onEvent: ({ data }) => {
        this.#fruitless = 0
        this.#lastEventId = this.#exchange?.lastEventId ?? ''
        if (data.length > 0) this.#port.takeEvent(this.#call, data)
      },
      onRetry: (wantedMs) =>
        void (this.#retryMs = Math.max(retryMsMin, Math.min(wantedMs, retryMsMax))),
      onEnd: (failure) => this.#onEnd(failure),
    }
  }

  #onEnd(failure: AppError | undefined): void {
    if (this.#isOver) return
    this.#lastEventId = this.#exchange?.lastEventId || this.#lastEventId
    // An answer that is no stream says that there is nothing to take up; a connection that was not made says nothing.
    const isRefused = this.#head?.isEventStream === false
    this.#fruitless += 1
    if (this.#lastEventId === '' || isRefused || this.#fruitless > fruitlessMax) {
      this.#port.fail(this.#call, failure ?? withoutAnswer(this.#head))
      return
    }
    this.#timer = setTimeout(() => this.#resume(), this.#retryMs)
  }

  #resume(): void {
    this.#head = undefined
    this.#exchange = this.#port.resume(
      this.#lastEventId,
      this.#reply(() => {}),
    )
  }
}
