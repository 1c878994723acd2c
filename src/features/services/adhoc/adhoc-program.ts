import type { Child, Program } from '../process-host.ts'
import type { Channel } from '../wire/channel.ts'
import { createHeldMessages } from '../wire/held-messages.ts'
import { makeNotification } from '../wire/rpc-message.ts'

/** Joins a channel to the standard streams of a child. `onNoise` hears lines of stdout that are no messages. */
export type OpenStdio = (child: Child, onNoise: (line: string) => void) => Channel

/** How a program ended that ran for one connection. */
export interface ProgramEnding {
  readonly code: number | null
  readonly signal: string | null
  readonly durationMs: number
}

/** What a connection to a program of its own needs. */
export interface AdhocProgramOptions {
  /** Not started yet. Disposed of when the connection ends. */
  readonly program: Program
  readonly openStdio: OpenStdio
  /** After so long the connection ends in good order; 0 for no limit. */
  readonly durationMaxMs: number
  /** Called once, when everything of the program is gone. */
  readonly onEnd: (ending: ProgramEnding) => void
}

const noticeCharactersMax = 64 * 1024
/** Lines of stderr that are kept for a reader that does not come. */
const heldMax = 1_000

/**
 * Starts the program and opens the channel to it. What it writes to stderr comes as `notifications/stderr`. The channel
 * and the program end together, whichever ends first. Rejects with `service_failed` where it does not start.
 */
export async function openAdhocProgram(options: AdhocProgramOptions): Promise<Channel> {
  const { program, openStdio, durationMaxMs, onEnd } = options
  const startedAt = performance.now()
  const child = await program.start().catch(async (error: unknown) => {
    await program[Symbol.asyncDispose]()
    onEnd({ code: null, signal: null, durationMs: performance.now() - startedAt })
    throw error
  })
  const incoming = createHeldMessages()
  const notice = (line: string): void => {
    if (incoming.count >= heldMax) return
    const content = line.slice(0, noticeCharactersMax)
    incoming.push(makeNotification('notifications/stderr', { content }).bytes)
  }
  const forget = child.onStderr(notice)
  const stdio = openStdio(child, notice)
  stdio.receive((bytes) => incoming.push(bytes))

  const expiry = Promise.withResolvers<undefined>()
  const timer = durationMaxMs > 0 ? setTimeout(expiry.resolve, durationMaxMs, undefined) : undefined
  const scope = new AsyncDisposableStack()
  scope.defer(async () => {
    const { code, signal } = await child.exited
    onEnd({ code, signal, durationMs: performance.now() - startedAt })
  })
  scope.use(program)
  scope.use(stdio)
  scope.defer(() => {
    clearTimeout(timer)
    forget()
  })
  const end = once(() => scope.disposeAsync())
  const closed: Channel['closed'] = Promise.race([stdio.closed, expiry.promise]).then((reason) =>
    end().then(
      () => reason,
      () => reason,
    ),
  )
  return {
    send: (bytes) => stdio.send(bytes),
    receive: (onMessage) => incoming.receive(onMessage),
    closed,
    [Symbol.asyncDispose]: end,
  }
}

/** The function that does it the first time it is called, and gives the same promise ever after. */
function once(perform: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined
  return () => (done ??= perform())
}
