import { followNotifications, type StreamDeps } from './answer-resumption.ts'
import { relayAnswer, type WriteLine } from './answer-relay.ts'
import { reasonOf } from './failure-reason.ts'
import type { Headers } from './mcp-http.ts'
import { answerTo, isObject, type Message } from './message.ts'

/** One session of the server's. */
export interface ServerSession {
  /** undefined where the server keeps none. */
  readonly id: string | undefined
  /** What goes with every message of it. */
  readonly headers: Headers
}

/** The session of the server's that is in use. After its loss another takes its place. */
export interface CurrentSession {
  readonly current: ServerSession | undefined
  /** The client's handshake. Its answer is written. */
  begin(message: Message): Promise<void>
  /** Opens the stream of notifications, once the client has said that it is ready. */
  listen(): void
  /** Resolves when no handshake is being repeated. */
  settled(): Promise<void>
  /** Repeats the handshake where `lost` is still in use, or waits for who does. The client does not hear of it. */
  replace(lost: ServerSession): Promise<void>
}

const initialized = '{"jsonrpc":"2.0","method":"notifications/initialized"}'

/** Creates it; there is none before `begin`. */
export function createCurrentSession(
  deps: StreamDeps & { readonly log: (text: string) => void },
): CurrentSession {
  const { http, write, log, signal } = deps
  let session: ServerSession | undefined
  let handshake: Message | undefined
  let renewal = Promise.resolve()

  async function shakeHands(message: Message, writeAnswer: WriteLine): Promise<void> {
    const answer = await http.post(message.line, {}, signal)
    const relayed = await relayAnswer(message, answer, writeAnswer)
    const result = relayed.outcome === 'answered' ? relayed.answer?.['result'] : undefined
    // A refusal has been written, and the client may try again.
    if (!isObject(result)) return
    session = toSession(answer.sessionId, result['protocolVersion'])
    handshake = message
  }

  async function repeatHandshake(original: Message, lost: ServerSession): Promise<void> {
    session = undefined
    await shakeHands(original, async (line) => {
      if (answerTo(original, line) === undefined) await write(line)
    }).catch((error: unknown) => log(reasonOf(error)))
    // The next message finds it lost again, and tries again.
    if (session === undefined) return void (session = lost)
    await (await http.post(initialized, headersOf(session), signal)).text()
    listen()
  }

  function listen(): void {
    const own = session
    if (own === undefined) return
    void followNotifications(deps, own.headers, () => session === own).catch((error: unknown) => {
      if (!signal.aborted) log(`The stream of notifications ended: ${reasonOf(error)}`)
    })
  }

  return {
    get current() {
      return session
    },
    begin: (message) => shakeHands(message, write),
    listen,
    settled: () => renewal,
    replace(lost) {
      if (session !== lost || handshake === undefined) return renewal
      log('The session has ended at the server; beginning anew.')
      renewal = repeatHandshake(handshake, lost)
      return renewal
    },
  }
}

function toSession(id: string | undefined, version: unknown): ServerSession {
  const idHeader = id === undefined ? {} : { 'mcp-session-id': id }
  const versionHeader = typeof version === 'string' ? { 'mcp-protocol-version': version } : {}
  return { id, headers: { ...idHeader, ...versionHeader } }
}

/** What goes with a message before there is a session: nothing. */
export function headersOf(session: ServerSession | undefined): Headers {
  return session?.headers ?? {}
}
