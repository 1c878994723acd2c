import type { AppError } from '../../../lib/errors.ts'
import type { Relay } from '../relay/relay.ts'
import type { CallSink, ConnectionListener, Respond, RunningCall } from '../upstream/connection.ts'
import { RpcError, rpcCodes, toRpcError } from '../wire/rpc-error.ts'
import {
  makeError,
  parseMessage,
  type RpcMessage,
  type RpcNotification,
  type RpcRequest,
  type RpcResponse,
} from '../wire/rpc-message.ts'
import { attempt } from './attempt.ts'
import { splitArray } from './batch-bytes.ts'
import { invalidRequest } from './rpc-answer.ts'

/** Messages in one array; each request of them is a call of its own. */
const elementsMax = 100

/** Reads the messages of an array. What is no message is there as the error that answers it. Throws `RpcRefusal` 400 for an array that is empty, too long or none. */
export function readBatch(bytes: Buffer): readonly Readable[] {
  const elements = splitArray(bytes, elementsMax)
  if (elements === undefined) {
    throw invalidRequest(`A batch is a JSON array of at most ${elementsMax} messages.`)
  }
  if (elements.length === 0) throw invalidRequest('The batch is empty.')
  return elements.map((element): Readable => {
    const read = attempt(() => parseMessage(element))
    if (read.isOk) return read.value
    return { kind: 'unreadable', answer: makeError(null, toRpcError(read.error)).bytes }
  })
}

/** One element of an array: a message, or what answers something that is none. */
export type Readable = RpcMessage | { readonly kind: 'unreadable'; readonly answer: Buffer }

/** What a batch is run with. */
export interface BatchParts {
  readonly relay: Relay
  readonly requestId: string
  /** Takes the answers of the client to what it was asked. */
  readonly answer: (response: RpcResponse) => void
  /** Hears what servers send on the way; without it they are told that the client cannot be asked. */
  readonly listener: ConnectionListener | undefined
}

/** A batch under way. */
export interface RunningBatch {
  cancel(): void
}

/**
 * Passes the messages of an array on, and gives the array of the answers, in the order of the requests, once all are in;
 * undefined where nothing is to be answered.
 */
export function runBatch(
  elements: readonly Readable[],
  parts: BatchParts,
  onDone: (answers: Buffer | undefined) => void,
): RunningBatch {
  const answers: (Buffer | undefined)[] = []
  const running: RunningCall[] = []
  let open = 1
  const settle = () => {
    open -= 1
    if (open === 0) onDone(joinAnswers(answers))
  }
  for (const element of elements) {
    if (element.kind === 'unreadable') answers.push(element.answer)
    else if (element.kind === 'notification') parts.relay.notify(element)
    else if (element.kind === 'response') parts.answer(element)
    else {
      open += 1
      const at = answers.push(undefined) - 1
      const sink = new ElementSink(element, parts, (answer) => {
        answers[at] = answer
        settle()
      })
      running.push(parts.relay.request({ request: element, requestId: parts.requestId }, sink))
    }
  }
  settle()
  return {
    cancel() {
      for (const call of running) call.cancel()
    },
  }
}

function joinAnswers(answers: readonly (Buffer | undefined)[]): Buffer | undefined {
  const pieces: Buffer[] = []
  for (const answer of answers) {
    if (answer === undefined) continue
    pieces.push(Buffer.from(pieces.length === 0 ? '[' : ','), answer)
  }
  return pieces.length === 0 ? undefined : Buffer.concat([...pieces, Buffer.from(']')])
}

class ElementSink implements CallSink {
  readonly #request: RpcRequest
  readonly #parts: BatchParts
  readonly #settle: (answer: Buffer) => void

  constructor(request: RpcRequest, parts: BatchParts, settle: (answer: Buffer) => void) {
    this.#request = request
    this.#parts = parts
    this.#settle = settle
  }

  onNotification(notification: RpcNotification): void {
    this.#parts.listener?.onNotification(notification)
  }

  onRequest(request: RpcRequest, respond: Respond): void {
    if (this.#parts.listener === undefined) respond(cannotBeAsked(request))
    else this.#parts.listener.onRequest(request, respond)
  }

  onResponse(response: RpcResponse): void {
    this.#settle(response.bytes)
  }

  onFailure(error: AppError): void {
    this.#settle(makeError(this.#request.id, toRpcError(error, this.#parts.requestId)).bytes)
  }
}

/** The answer to a server that asks a client which takes no questions. */
export function cannotBeAsked(request: RpcRequest): RpcResponse {
  return makeError(
    request.id,
    new RpcError(rpcCodes.methodNotFound, 'This client cannot be asked anything.'),
  )
}
