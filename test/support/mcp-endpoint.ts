import type { Caller } from '../../src/features/services/caller.ts'
import type {
  ClientCall,
  ClientProfile,
  Endpoint,
  Relay,
} from '../../src/features/services/relay/relay.ts'
import type {
  CallSink,
  ConnectionListener,
  RunningCall,
} from '../../src/features/services/upstream/connection.ts'
import { RpcError, rpcCodes } from '../../src/features/services/wire/rpc-error.ts'
import {
  makeError,
  makeNotification,
  makeRequest,
  makeResult,
  paramsOf,
  type RpcNotification,
} from '../../src/features/services/wire/rpc-message.ts'
import type { AppError } from '../../src/lib/errors.ts'

/** One relay that a transport opened, as a test looks at it. */
export interface OpenedRelay {
  readonly profile: ClientProfile
  readonly calls: ClientCall[]
  readonly notifications: RpcNotification[]
  readonly listeners: Set<ConnectionListener>
  /** Calls of the tool `hold` that wait, by the text of their id. */
  readonly held: Map<string, CallSink>
  readonly cancelled: string[]
  isDisposed: boolean
  /** Resolves `lost`. */
  lose(): void
}

/** An endpoint whose relays answer by themselves, in memory. */
export interface TestEndpoint extends Endpoint {
  readonly relays: OpenedRelay[]
  /** The relays that nobody has disposed of. */
  readonly alive: readonly OpenedRelay[]
  /** What the next calls fail with, until it is undefined again. */
  failure: AppError | undefined
  /** Headers that go with every answer. */
  headers: readonly string[] | undefined
}

/** Creates the endpoint. Its tools: `echo`, `progress`, `hold`, `ask`, `flood`, and any other is unknown. */
export function createTestEndpoint(name: string, id = `svc_${name}`): TestEndpoint {
  const relays: OpenedRelay[] = []
  const endpoint: TestEndpoint = {
    id,
    name,
    workspaceId: 'default',
    relays,
    failure: undefined,
    headers: undefined,
    get alive() {
      return relays.filter(({ isDisposed }) => !isDisposed)
    },
    open(profile) {
      const lost = Promise.withResolvers<void>()
      const opened: OpenedRelay = {
        profile,
        calls: [],
        notifications: [],
        listeners: new Set(),
        held: new Map(),
        cancelled: [],
        isDisposed: false,
        lose: lost.resolve,
      }
      relays.push(opened)
      return makeRelay(endpoint, opened, lost.promise)
    },
  }
  return endpoint
}

function makeRelay(endpoint: TestEndpoint, opened: OpenedRelay, lost: Promise<void>): Relay {
  return {
    lost,
    request(call, sink): RunningCall {
      opened.calls.push(call)
      if (endpoint.headers !== undefined) sink.onHeaders?.(endpoint.headers)
      if (endpoint.failure === undefined) answer(opened, call, sink)
      else sink.onFailure(endpoint.failure)
      return {
        cancel() {
          opened.cancelled.push(call.request.id)
          opened.held.delete(call.request.id)
        },
      }
    },
    notify: (notification) => void opened.notifications.push(notification),
    listen(listener) {
      opened.listeners.add(listener)
      return () => void opened.listeners.delete(listener)
    },
    async [Symbol.asyncDispose]() {
      opened.isDisposed = true
    },
  }
}

const capabilities = { tools: { listChanged: true } }
const serverInfo = { name: 'test', version: '1' }
const inputSchema = { type: 'object' }
const tools = ['echo', 'progress', 'hold', 'ask'].map((name) => ({ name, inputSchema }))

type Answer = (opened: OpenedRelay, call: ClientCall, sink: CallSink) => void

const answers: Readonly<Record<string, Answer>> = {
  initialize({ profile: { protocolVersion } }, { request }, sink) {
    sink.onResponse(makeResult(request.id, { protocolVersion, capabilities, serverInfo }))
  },
  'server/discover'(_opened, { request }, sink) {
    const supportedVersions = ['2026-07-28']
    const rest = { resultType: 'complete', ttlMs: 0, cacheScope: 'private' }
    sink.onResponse(
      makeResult(request.id, { supportedVersions, capabilities, serverInfo, ...rest }),
    )
  },
  ping: (_opened, { request }, sink) => sink.onResponse(makeResult(request.id, {})),
  'tools/list'({ profile }, { request }, sink) {
    const modern = { resultType: 'complete', ttlMs: 0, cacheScope: 'private' }
    sink.onResponse(makeResult(request.id, { tools, ...(profile.era === 'modern' ? modern : {}) }))
  },
  'subscriptions/listen'(opened, { request }, sink) {
    opened.held.set(request.id, sink)
    sink.onNotification(
      makeNotification('notifications/subscriptions/acknowledged', {
        notifications: { toolsListChanged: true },
        _meta: { 'io.modelcontextprotocol/subscriptionId': JSON.parse(request.id) as unknown },
      }),
    )
  },
  'tools/call'(opened, call, sink) {
    const { name } = paramsOf(call.request)
    const tool = toolAnswers[String(name)]
    if (tool !== undefined) return tool(opened, call, sink)
    const error = new RpcError(rpcCodes.invalidParams, `Unknown tool: ${String(name)}`)
    sink.onResponse(makeError(call.request.id, error))
  },
}

const toolAnswers: Readonly<Record<string, Answer>> = {
  echo(_opened, { request }, sink) {
    const { arguments: given } = paramsOf(request)
    sink.onResponse(toolResult(request.id, JSON.stringify(given ?? {})))
  },
  progress(_opened, { request }, sink) {
    const meta = paramsOf(request)['_meta'] as { progressToken?: unknown } | undefined
    const progressToken = meta?.progressToken ?? 0
    for (const progress of [1, 2]) {
      sink.onNotification(
        makeNotification('notifications/progress', { progressToken, progress, total: 2 }),
      )
    }
    // SDK 1 loses progress that it reads together with the answer.
    setTimeout(() => sink.onResponse(toolResult(request.id, 'done')), 30)
  },
  hold: (opened, { request }, sink) => void opened.held.set(request.id, sink),
  ask(_opened, { request }, sink) {
    const params = { message: 'Which?', requestedSchema: { type: 'object', properties: {} } }
    sink.onRequest(makeRequest('77', 'elicitation/create', params), (answered) => {
      sink.onResponse(toolResult(request.id, answered.bytes.toString()))
    })
  },
}

function answer(opened: OpenedRelay, call: ClientCall, sink: CallSink): void {
  const { request } = call
  const known = answers[request.method]
  if (known !== undefined) return known(opened, call, sink)
  sink.onResponse(makeError(request.id, new RpcError(rpcCodes.methodNotFound, 'Method not found')))
}

/** The result of a tool: one text. */
export function toolResult(id: string, text: string) {
  return makeResult(id, { content: [{ type: 'text', text }], resultType: 'complete' })
}

/** A key that may do everything, until its `isUsable` is made to say no. */
export function createTestCaller(keyId: string): Caller & { usable: boolean } {
  const caller = {
    keyId,
    workspaceId: 'default',
    usable: true,
    allowsService: () => true,
    allowsTool: () => true,
    runsCommands: false,
    isUsable: () => caller.usable,
  }
  return caller
}
