import type { Log } from '../../../lib/log.ts'
import type { Relay } from '../relay/relay.ts'

/** A request without a session that is being answered. */
export interface ActiveCall {
  /** Gives it up, because everything closes. */
  abort(): void
  /** Ends it where it waits for nothing in particular. */
  drain(): void
}

/** All such requests, and the relays that were opened for them alone. Disposing of it gives all of them up. */
export class ActiveCalls implements AsyncDisposable {
  readonly #calls = new Set<ActiveCall>()
  readonly #closing = new Set<Promise<void>>()
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
  }

  get size(): number {
    return this.#calls.size
  }

  add(call: ActiveCall): void {
    this.#calls.add(call)
  }

  /** The call is over, and its relay is not needed any more. */
  delete(call: ActiveCall, relay: Relay): void {
    if (this.#calls.delete(call)) this.close(relay)
  }

  /** Disposes of a relay in the background. */
  close(relay: Relay): void {
    const closed = Promise.resolve(relay[Symbol.asyncDispose]())
      .catch((err: unknown) => this.#log.warn({ err }, 'an MCP relay did not end in good order'))
      .finally(() => this.#closing.delete(closed))
    this.#closing.add(closed)
  }

  drain(): void {
    for (const call of this.#calls) call.drain()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const call of this.#calls) call.abort()
    await Promise.all(this.#closing)
  }
}
