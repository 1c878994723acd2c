import type { HttpExchange, Reply, ReplyHead } from './http-exchange.ts'

/** What the stream needs of its session. */
export interface UnsolicitedPort {
  /** Sends the GET; `lastEventId` is empty at first. */
  open(lastEventId: string, reply: Reply): HttpExchange
  take(data: Buffer): void
}

const retryMsDefault = 1_000
/** A server that wants to be asked again at once would be asked without end. */
const retryMsMin = 100
const retryMsMax = 60_000
/** How long the handshake waits for a server that keeps the head of the answer back until the first event. */
const headMs = 250

/** The GET on which a server sends what belongs to no call. Opened again whenever it ends, with growing pauses while that fails. */
export class UnsolicitedStream {
  readonly #port: UnsolicitedPort
  #exchange: HttpExchange | undefined
  #lastEventId = ''
  #retryMs = retryMsDefault
  #failures = 0
  #timer: NodeJS.Timeout | undefined
  #state: 'idle' | 'active' | 'refused' | 'stopped' = 'idle'

  constructor(port: UnsolicitedPort) {
    this.#port = port
  }

  /** Opens the stream unless it is. Resolves when the server has taken it or not, and after a moment in any case. */
  start(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    if (this.#state !== 'idle') return Promise.resolve()
    this.#state = 'active'
    this.#open(resolve)
    const timer = setTimeout(resolve, headMs)
    return promise.finally(() => clearTimeout(timer))
  }

  /** Tries once more where the server has refused it for another reason than not having one. */
  startAgain(): void {
    if (this.#state === 'idle') void this.start()
  }

  stop(): void {
    this.#state = 'stopped'
    clearTimeout(this.#timer)
    this.#exchange?.abort()
  }

  #open(onHead: () => void): void {
    let head: ReplyHead | undefined
    this.#exchange = this.#port.open(this.#lastEventId, {
      onHead: (received) => {
        head = received
        if (received.isEventStream) this.#failures = 0
        onHead()
      },
      onBody() {},
      onEvent: ({ data }) => {
        if (data.length > 0) this.#port.take(data)
      },
      onRetry: (wantedMs) =>
        void (this.#retryMs = Math.max(retryMsMin, Math.min(wantedMs, retryMsMax))),
      onEnd: () => {
        this.#onEnd(head)
        onHead()
      },
    })
  }

  #onEnd(head: ReplyHead | undefined): void {
    if (this.#state === 'stopped') return
    this.#lastEventId = this.#exchange?.lastEventId || this.#lastEventId
    const isPassing = head === undefined || head.isEventStream || isBusy(head.status)
    if (!isPassing) {
      this.#state = head.status === 405 ? 'refused' : 'idle'
      return
    }
    const pauseMs = Math.min(this.#retryMs * 2 ** this.#failures, retryMsMax)
    this.#failures += 1
    this.#timer = setTimeout(() => this.#open(() => {}), pauseMs)
  }
}

function isBusy(status: number): boolean {
  return status === 429 || status >= 500
}
