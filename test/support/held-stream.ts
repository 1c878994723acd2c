import { event, startEventStream, writePiece } from './upstream-answers.ts'
import type { Behaviour } from './upstream.ts'

/** A streamed chat that stands still after its first word until it is released. */
export interface HeldStream {
  readonly behaviour: Behaviour
  release(): void
}

/** Creates the stream; all requests that get it are released together. */
export function holdStream(): HeldStream {
  const { promise, resolve } = Promise.withResolvers<void>()
  return {
    async behaviour(call) {
      await call.receive()
      await startEventStream(call)
      await writePiece(call, wordEvent('first'))
      await promise
      await writePiece(call, wordEvent(' last'))
      await writePiece(call, event('[DONE]'))
      call.res.end()
    },
    release: resolve,
  }
}

function wordEvent(content: string): string {
  return event({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })
}
