import { resumeAnswer, type StreamDeps } from './answer-resumption.ts'
import { relayAnswer } from './answer-relay.ts'
import { reasonOf } from './failure-reason.ts'
import { errorLine, type Message } from './message.ts'
import { createCurrentSession, headersOf } from './server-session.ts'

/** A session of the protocol with the handshake. It begins with the client's `initialize`. */
export interface LegacySession {
  /** Whether this is the protocol that the client speaks. */
  readonly hasBegun: boolean
  /** Sends one message and writes what comes of it. Never rejects. */
  send(message: Message): Promise<void>
  /** Tells the server that the session is over. */
  end(): Promise<void>
}

/** Creates the session. */
export function createLegacySession(
  deps: StreamDeps & { readonly log: (text: string) => void },
): LegacySession {
  const { http, write, log, signal } = deps
  const session = createCurrentSession(deps)
  let hasBegun = false

  async function post(message: Message, isRepeated = false): Promise<void> {
    await session.settled()
    const used = session.current
    const headers = headersOf(used)
    const answer = await http.post(message.line, headers, signal)
    if (answer.status === 404 && used?.id !== undefined && !isRepeated) {
      await answer.text()
      await session.replace(used)
      return repeat(message)
    }
    if (answer.status >= 400 && message.kind !== 'request') {
      log(`${nameOf(message)} was refused with ${answer.status}.`)
    }
    const relayed = await relayAnswer(message, answer, write)
    const isBroken = relayed.outcome === 'broken' && message.kind === 'request'
    if (isBroken) await resumeAnswer(deps, message, { broken: relayed, headers })
  }

  /** What came for a session that is gone has not been done; but only what changes nothing is done unasked. */
  async function repeat(message: Message): Promise<void> {
    if (message.kind !== 'request') return
    if (isSafe(message.method)) return post(message, true)
    const text = 'The session had ended at the server and was begun anew. Nothing was done.'
    await write(errorLine(message.id, `${text} Call again.`))
  }

  return {
    get hasBegun() {
      return hasBegun
    },
    async send(message) {
      const isHandshake = message.method === 'initialize'
      hasBegun ||= isHandshake
      const sent = isHandshake ? session.begin(message) : post(message)
      await sent.catch(async (error: unknown) => {
        if (signal.aborted) return
        log(`${nameOf(message)} failed: ${reasonOf(error)}`)
        if (message.kind === 'request') await write(errorLine(message.id, reasonOf(error)))
      })
      if (message.method === 'notifications/initialized') session.listen()
    },
    async end() {
      const { current } = session
      if (current?.id !== undefined) await http.delete(current.headers).catch(() => undefined)
    },
  }
}

function nameOf({ method }: Message): string {
  return method || 'An answer'
}

const safeMethod =
  /^(?:ping|tools\/list|prompts\/(?:list|get)|resources\/(?:templates\/)?(?:list|read))$/

/** Says whether a request changes nothing and needs nothing that an earlier one of its session has prepared. */
function isSafe(method: string): boolean {
  return safeMethod.test(method)
}
