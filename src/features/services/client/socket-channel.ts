import type { WebSocket } from 'ws'
import { AppError } from '../../../lib/errors.ts'
import type { Channel } from '../wire/channel.ts'
import { queueBytesMax } from './event-stream.ts'
import { Inbox } from './inbox.ts'

const pingMs = 25_000
const pingsMissedMax = 2

/** Why a socket of ours is closed; other codes are those of RFC 6455. */
export const closeCodes = {
  goingAway: 1001,
  unsupportedData: 1003,
  policyViolation: 1008,
  tryAgainLater: 1013,
  /** The key does not work any more. */
  unauthorized: 4401,
  /** The server lost what it kept for the client. */
  sessionLost: 4404,
} as const

/** The channel of one WebSocket: one message a text frame. */
export class SocketChannel implements Channel {
  readonly closed: Promise<AppError | undefined>
  readonly #socket: WebSocket
  readonly #inbox = new Inbox()
  #pingedAt: number
  #missed = 0
  #isClosing = false

  /** `now` is monotonic, ms. */
  constructor(socket: WebSocket, now: number) {
    this.#socket = socket
    this.#pingedAt = now
    const { promise, resolve } = Promise.withResolvers<AppError | undefined>()
    this.closed = promise
    let failure: AppError | undefined
    socket.on('message', (data, isBinary) => {
      if (this.#isClosing) return
      if (isBinary) socket.close(closeCodes.unsupportedData, 'Messages are text')
      else if (!this.#inbox.put(data as Buffer)) socket.close(closeCodes.tryAgainLater, 'Too fast')
    })
    socket.on('pong', () => {
      this.#missed = 0
    })
    socket.on('error', (cause) => {
      failure = new AppError('invalid_request', 'The WebSocket broke the protocol.', { cause })
    })
    socket.once('close', () => resolve(failure))
  }

  /** A client that does not read is cut, so there is nothing to wait for. */
  send(bytes: Buffer): undefined {
    const { readyState, OPEN, bufferedAmount } = this.#socket
    if (readyState !== OPEN) return
    if (bufferedAmount > queueBytesMax) this.#socket.terminate()
    else this.#socket.send(bytes, { binary: false })
  }

  receive(onMessage: (bytes: Buffer) => void): void {
    this.#inbox.open(onMessage)
  }

  /** Asks the client from time to time whether it is there, and cuts it when it does not say so. `now` is monotonic, ms. */
  keepAlive(now: number): void {
    if (now - this.#pingedAt < pingMs) return
    this.#pingedAt = now
    if (this.#missed >= pingsMissedMax) return this.#socket.terminate()
    this.#missed += 1
    this.#socket.ping()
  }

  /** Takes nothing more and closes in good order; said again, cuts a client that does not answer. */
  close(code: number, reason: string): void {
    if (this.#isClosing) return this.#socket.terminate()
    this.#isClosing = true
    this.#socket.close(code, reason)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.terminate()
    await this.closed
  }
}
