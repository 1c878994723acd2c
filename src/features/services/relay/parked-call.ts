import type { AppError } from '../../../lib/errors.ts'
import type { CallSink, Respond, RunningCall } from '../upstream/connection.ts'
import { isJsonObject, objectAt, textAt, type JsonObject } from '../wire/json.ts'
import { metaKeys } from '../wire/meta-keys.ts'
import { memberBytes, nestedBytes } from '../wire/json-member.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import {
  editMessage,
  makeError,
  makeRawResult,
  makeResult,
  paramsOf,
  withId,
  type RpcNotification,
  type RpcRequest,
  type RpcResponse,
} from '../wire/rpc-message.ts'
import { toModernResponse } from './era-edits.ts'
import { capabilityByMethod } from './input-rounds.ts'

/** The HTTP request, or the like, on which a modern client waits for a call at this moment. */
export interface Round {
  readonly request: RpcRequest
  readonly sink: CallSink
  /** What the client can be asked, by this request. */
  readonly capabilities: JsonObject
}

interface Question {
  readonly request: RpcRequest
  readonly respond: Respond
}

/** Questions that a server asks together go to the client together. */
const collectMs = 20

/**
 * A call of a modern client at a legacy server. What the server asks meanwhile is answered in rounds: each ends with an
 * `input_required` result, and the call is parked until the client comes back. It is the sink of the server's side.
 */
export class ParkedCall implements CallSink {
  readonly #park: (call: ParkedCall, request: RpcRequest) => string
  readonly #onOver: () => void
  readonly #questions = new Map<string, Question>()
  readonly #method: string
  #round: Round | undefined
  #upward: RunningCall | undefined
  #collecting: NodeJS.Timeout | undefined
  #asked = 0
  /** What the server said last, while nobody was there to hear it. */
  #outcome: RpcResponse | AppError | undefined

  /** `park` keeps the call and returns the state that finds it; `onOver` hears when the server is done with it. */
  constructor(
    round: Round,
    park: (call: ParkedCall, request: RpcRequest) => string,
    onOver: () => void,
  ) {
    this.#round = round
    this.#method = round.request.method
    this.#park = park
    this.#onOver = onOver
  }

  /** Begins, once the request is on its way to the server. */
  begin(upward: RunningCall): void {
    this.#upward = upward
  }

  /** Goes on with the answers that the client brought. Those that are missing are asked for again. */
  resume(round: Round): void {
    this.#round = round
    if (this.#outcome !== undefined) return this.#deliver(this.#outcome)
    const given = answersIn(round)
    for (const [key, { request, respond }] of this.#questions) {
      const answer = given[key]
      if (!isJsonObject(answer)) continue
      this.#questions.delete(key)
      respond(makeResult(request.id, answer))
    }
    if (this.#questions.size > 0) this.#ask()
  }

  /** Gives the call up, whether its client is there or not. */
  cancel(reason?: string): void {
    clearTimeout(this.#collecting)
    this.#round = undefined
    this.#upward?.cancel(reason)
    this.#questions.clear()
    this.#onOver()
  }

  onNotification(notification: RpcNotification): void {
    const round = this.#round
    if (round === undefined) return
    if (notification.method !== 'notifications/progress')
      return round.sink.onNotification(notification)
    // Each round has a token of its own, or none.
    const meta = nestedBytes(round.request.bytes, 'params', '_meta')
    const token = meta === undefined ? undefined : memberBytes(meta, 'progressToken')
    if (token === undefined) return
    const edit = { path: ['params', 'progressToken'], json: token.toString() } as const
    round.sink.onNotification(editMessage(notification, [edit]))
  }

  onRequest(request: RpcRequest, respond: Respond): void {
    const capability = capabilityByMethod[request.method]
    if (capability === undefined) {
      const message = `Clients cannot be asked ${request.method}.`
      respond(makeError(request.id, new RpcError(rpcCodes.methodNotFound, message)))
      return
    }
    const round = this.#round
    if (round !== undefined && round.capabilities[capability] === undefined) {
      return this.#refuse(round, capability)
    }
    this.#asked += 1
    const key = givenKey(request) ?? `input_${this.#asked}`
    const answer = round === undefined ? undefined : answersIn(round)[key]
    if (isJsonObject(answer)) return respond(makeResult(request.id, answer))
    this.#questions.set(key, { request, respond })
    this.#collecting ??= setTimeout(() => this.#ask(), collectMs)
  }

  onResponse(response: RpcResponse): void {
    this.#settle(response)
  }

  onFailure(error: AppError): void {
    this.#settle(error)
  }

  /** The server asks what this client cannot answer, so the call cannot be completed for it. */
  #refuse(round: Round, capability: string): void {
    this.cancel('The client cannot be asked.')
    const error = new RpcError(
      rpcCodes.missingCapability,
      `The call needs a client with the capability ${capability}.`,
      { requiredCapabilities: { [capability]: {} } },
    )
    round.sink.onResponse(makeError(round.request.id, error))
  }

  /** Ends the round with everything that the server wants to know. */
  #ask(): void {
    clearTimeout(this.#collecting)
    this.#collecting = undefined
    const round = this.#round
    // With nobody there, the client learns of it when it comes back.
    if (round === undefined || this.#questions.size === 0) return
    const asked = Promise.try(() => {
      // First, because what cannot be written is not to be kept either: a server may nest without end.
      const questions = JSON.stringify(this.#inputRequests())
      const state = JSON.stringify(this.#park(this, round.request))
      const result = `{"resultType":"input_required","inputRequests":${questions},"requestState":${state}}`
      return makeRawResult(round.request.id, result)
    })
    void asked.then(
      (response) => {
        this.#round = undefined
        round.sink.onResponse(response)
      },
      (error: AppError) => {
        this.cancel('The call cannot be kept.')
        round.sink.onFailure(error)
      },
    )
  }

  #inputRequests(): JsonObject {
    return Object.fromEntries(
      [...this.#questions].map(([key, { request }]) => [key, toInputRequest(request)]),
    )
  }

  #settle(outcome: RpcResponse | AppError): void {
    clearTimeout(this.#collecting)
    this.#questions.clear()
    this.#onOver()
    if (this.#round === undefined) this.#outcome = outcome
    else this.#deliver(outcome)
  }

  #deliver(outcome: RpcResponse | AppError): void {
    const round = this.#round
    this.#round = undefined
    if (round === undefined) return
    if (outcome instanceof Error) return round.sink.onFailure(outcome)
    round.sink.onResponse(withId(toModernResponse(outcome, this.#method), round.request.id))
  }
}

function answersIn({ request }: Round): JsonObject {
  return objectAt(paramsOf(request), 'inputResponses')
}

/** A server may name its question, so that the answer can come with the call: `_meta["portico/inputKey"]`. */
function givenKey(request: RpcRequest): string | undefined {
  return textAt(objectAt(paramsOf(request), '_meta'), metaKeys.inputKey)
}

/** A question of a legacy server, as modern clients are asked. */
function toInputRequest(request: RpcRequest): JsonObject {
  const { elicitationId: _, ...params } = paramsOf(request)
  return Object.keys(params).length === 0
    ? { method: request.method }
    : { method: request.method, params }
}
