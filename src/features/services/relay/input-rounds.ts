import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../../lib/errors.ts'
import type { CallSink, RunningCall } from '../upstream/connection.ts'
import { isJsonObject, objectAt, textAt, type JsonObject } from '../wire/json.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import {
  editMessage,
  errorOf,
  makeError,
  makeRequest,
  resultOf,
  type RpcRequest,
  type RpcResponse,
} from '../wire/rpc-message.ts'
import { resultTypeOf, toLegacyResponse } from './era-edits.ts'

/** What a client must have said it can do, to be asked with each method. */
export const capabilityByMethod: Readonly<Record<string, string>> = {
  'elicitation/create': 'elicitation',
  'sampling/createMessage': 'sampling',
  'roots/list': 'roots',
}

const roundsMax = 32
const emptyRoundPauseMs = 200

/** What the rounds of one call need. */
export interface InputRoundsOptions {
  /** The request as a modern server gets it, without answers. */
  readonly request: RpcRequest
  readonly method: string
  /** Of the client. */
  readonly capabilities: JsonObject
  /** How long the client may take for an answer, ms. */
  readonly answerMs: number
  /** The client's; it is told in the terms of its era. */
  readonly sink: CallSink
  /** Sends a request to the server; what it answers goes to the sink. */
  readonly send: (request: RpcRequest, sink: CallSink) => RunningCall
}

/**
 * A call of a legacy client at a modern server: each `input_required` result becomes requests to the client, whose
 * answers go up with the call made again, until there is a result (MCP 2026-07-28, multi-round-trip requests).
 */
export function startInputRounds(options: InputRoundsOptions): RunningCall {
  const { request, method, sink, send } = options
  const ended = new AbortController()
  let running: RunningCall
  let rounds = 0

  function begin(round: RpcRequest): void {
    running = send(round, {
      ...sink,
      onNotification: (notification) => sink.onNotification(notification),
      onFailure: (error) => sink.onFailure(error),
      onResponse(response) {
        if (response.isError || resultTypeOf(response) !== 'input_required') {
          sink.onResponse(toLegacyResponse(response, method))
          return
        }
        answerRound(options, response, ended.signal).then((next) => {
          if (ended.signal.aborted) return
          rounds += 1
          if (rounds > roundsMax)
            sink.onFailure(new AppError('upstream_failed', 'The server asked again and again.'))
          else begin(next)
        }, fail)
      },
    })
  }

  function fail(error: unknown): void {
    if (ended.signal.aborted) return
    if (error instanceof RpcError) sink.onResponse(makeError(request.id, error))
    else
      sink.onFailure(
        error instanceof AppError
          ? error
          : new AppError(
              'upstream_failed',
              'The server asked something that cannot be understood.',
              { cause: error },
            ),
      )
  }

  begin(request)
  return {
    cancel(reason) {
      ended.abort()
      running.cancel(reason)
    },
  }
}

/** Asks the client everything that the server wants to know, and makes the request that tells it. */
async function answerRound(
  options: InputRoundsOptions,
  response: RpcResponse,
  signal: AbortSignal,
): Promise<RpcRequest> {
  const { request } = options
  const result = resultOf(response)
  const questions = Object.entries(objectAt(result, 'inputRequests'))
  const state = textAt(result, 'requestState')
  if (questions.length === 0) {
    // A server that only wants to be asked again is not to be asked as fast as it can answer.
    await sleep(emptyRoundPauseMs, undefined, { signal })
  }
  const answers = await Promise.all(
    questions.map(async ([key, question]) => [key, await askClient(options, question, signal)]),
  )
  return editMessage(request, [
    {
      path: ['params', 'inputResponses'],
      json: answers.length === 0 ? undefined : JSON.stringify(Object.fromEntries(answers)),
    },
    {
      path: ['params', 'requestState'],
      json: state === undefined ? undefined : JSON.stringify(state),
    },
  ])
}

async function askClient(
  { sink, capabilities, answerMs }: InputRoundsOptions,
  question: unknown,
  signal: AbortSignal,
): Promise<JsonObject> {
  const method = textAt(question, 'method') ?? ''
  const capability = capabilityByMethod[method]
  if (capability === undefined || capabilities[capability] === undefined) {
    throw new RpcError(
      rpcCodes.internalError,
      `The server needs the client to answer ${method}, which it did not say it can.`,
      { requiredCapabilities: capability === undefined ? {} : { [capability]: {} } },
    )
  }
  const params =
    isJsonObject(question) && isJsonObject(question['params']) ? question['params'] : undefined
  const { promise, resolve } = Promise.withResolvers<RpcResponse>()
  sink.onRequest(makeRequest('0', method, params), resolve)
  const answer = await within(promise, { answerMs, signal })
  const error = answer === undefined ? tooLate() : errorOf(answer)
  if (answer !== undefined && error === undefined) return resultOf(answer)
  if (method === 'elicitation/create') return { action: 'cancel' }
  throw error
}

/** The answer, or undefined where it does not come in time. Rejects when the call is given up. */
async function within(
  answer: Promise<RpcResponse>,
  { answerMs, signal }: { readonly answerMs: number; readonly signal: AbortSignal },
): Promise<RpcResponse | undefined> {
  const answered = new AbortController()
  const either = AbortSignal.any([signal, answered.signal])
  const deadline = sleep(answerMs, undefined, { signal: either })
  return Promise.race([answer, deadline]).finally(() => answered.abort())
}

function tooLate(): AppError {
  return new AppError('upstream_timeout', 'The client did not answer in time.')
}
