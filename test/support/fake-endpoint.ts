import { AppError } from '../../src/lib/errors.ts'
import type {
  ClientCall,
  ClientProfile,
  Endpoint,
  Relay,
} from '../../src/features/services/relay/relay.ts'
import type {
  CallSink,
  ConnectionListener,
  Respond,
  RunningCall,
} from '../../src/features/services/upstream/connection.ts'
import { objectAt, type JsonObject } from '../../src/features/services/wire/json.ts'
import { metaKeys } from '../../src/features/services/wire/meta-keys.ts'
import { RpcError, toRpcError } from '../../src/features/services/wire/rpc-error.ts'
import {
  makeError,
  makeNotification,
  makeRequest,
  makeResult,
  paramsOf,
  type RpcNotification,
} from '../../src/features/services/wire/rpc-message.ts'

/** What a pretended service has; all of it may be changed at any time. */
export interface FakeService {
  name: string
  tools?: readonly JsonObject[]
  prompts?: readonly JsonObject[]
  resources?: readonly JsonObject[]
  templates?: readonly JsonObject[]
  capabilities?: JsonObject
  instructions?: string
  /** Entries of one page of a list. */
  pageEntries?: number
  ttlMs?: number
  /** `dead` fails every request, `silent` answers none. */
  mood?: 'well' | 'dead' | 'silent'
  /** Answers what the service would answer otherwise; undefined leaves it to that. A result that is `pending` never comes. */
  answers?: Readonly<Record<string, (call: FakeCall) => JsonObject | 'pending' | undefined>>
}

/** One request in the hands of a pretended service. */
interface FakeCall {
  readonly params: JsonObject
  readonly call: ClientCall
  readonly sink: CallSink
  readonly relay: FakeRelay
}

/** The relay of one client to a pretended service, as the service sees it. */
interface FakeRelay extends Relay {
  readonly profile: ClientProfile
  readonly calls: readonly ClientCall[]
  readonly notifications: readonly RpcNotification[]
  /** Ids of requests that were given up. */
  readonly cancelled: readonly string[]
  readonly isClosed: boolean
  readonly isListenedTo: boolean
  /** Sends a notification that belongs to no call, to legacy listeners and modern subscriptions. */
  send(method: string, params?: JsonObject): void
  /** Asks the client something that belongs to no call. */
  ask(id: string, method: string, respond: Respond): void
  /** Ends what is under way as a server that has crashed. */
  lose(): void
}

/** A pretended service, in this process. */
export interface FakeEndpoint {
  readonly endpoint: Endpoint
  readonly service: FakeService
  /** Every relay so far. */
  readonly relays: readonly FakeRelay[]
  /** The relay opened last. */
  readonly relay: FakeRelay
  /** Params of all requests with this method, of all relays. */
  asked(method: string): readonly JsonObject[]
}

/** Creates an endpoint that behaves like a service; what it does can be changed through `service`. */
export function createFakeEndpoint(initial: FakeService): FakeEndpoint {
  const service = { ...initial }
  const relays: FakeRelay[] = []
  return {
    service,
    relays,
    endpoint: {
      id: `service_${service.name}`,
      workspaceId: 'workspace',
      name: service.name,
      open(profile) {
        const relay = createFakeRelay(service, profile)
        relays.push(relay)
        return relay
      },
    },
    get relay() {
      const relay = relays.at(-1)
      if (relay === undefined) throw new Error(`${service.name} was not opened`)
      return relay
    },
    asked: (method) =>
      relays
        .flatMap(({ calls }) => calls)
        .filter(({ request }) => request.method === method)
        .map(({ request }) => paramsOf(request)),
  }
}

function createFakeRelay(service: FakeService, profile: ClientProfile): FakeRelay {
  const calls: ClientCall[] = []
  const notifications: RpcNotification[] = []
  const cancelled: string[] = []
  const listeners = new Set<ConnectionListener>()
  const open = new Map<ClientCall, CallSink>()
  const subscriptions = new Map<ClientCall, CallSink>()
  const { promise: lost, resolve: resolveLost } = Promise.withResolvers<void>()
  let isClosed = false

  function request(call: ClientCall, sink: CallSink): RunningCall {
    calls.push(call)
    open.set(call, sink)
    queueMicrotask(() => {
      if (open.has(call)) perform(call, sink)
    })
    return {
      cancel() {
        if (!open.delete(call)) return
        subscriptions.delete(call)
        cancelled.push(call.request.id)
      },
    }
  }

  function perform(call: ClientCall, sink: CallSink): void {
    const { request: asked } = call
    if (service.mood === 'silent') return
    if (service.mood === 'dead') {
      open.delete(call)
      sink.onFailure(new AppError('service_failed', 'The program does not run.'))
      return
    }
    const special = service.answers?.[asked.method]
    Promise.try(
      () => special?.({ params: paramsOf(asked), call, sink, relay }) ?? usual(call, sink),
    )
      .then((result) => {
        if (result !== 'pending' && open.delete(call)) sink.onResponse(makeResult(asked.id, result))
      })
      .catch((error: unknown) => {
        if (open.delete(call)) sink.onResponse(makeError(asked.id, toRpcError(error)))
      })
  }

  function usual(call: ClientCall, sink: CallSink): JsonObject | 'pending' {
    if (call.request.method !== 'subscriptions/listen') return usualAnswer(service, profile, call)
    const { notifications: filter } = paramsOf(call.request)
    subscriptions.set(call, sink)
    const params = { notifications: filter, ...stamp(call) }
    sink.onNotification(makeNotification('notifications/subscriptions/acknowledged', params))
    return 'pending'
  }

  const relay: FakeRelay = {
    profile,
    calls,
    notifications,
    cancelled,
    lost,
    request,
    get isClosed() {
      return isClosed
    },
    get isListenedTo() {
      return listeners.size > 0
    },
    notify(notification) {
      notifications.push(notification)
      if (notification.method !== 'notifications/cancelled') return
      const { requestId } = paramsOf(notification)
      for (const call of open.keys()) {
        if (call.request.id !== JSON.stringify(requestId)) continue
        open.delete(call)
        cancelled.push(call.request.id)
      }
    },
    listen(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    send(method, params = {}) {
      for (const listener of listeners) listener.onNotification(makeNotification(method, params))
      for (const [call, sink] of subscriptions) {
        sink.onNotification(makeNotification(method, { ...params, ...stamp(call) }))
      }
    },
    ask(id, method, respond) {
      for (const listener of listeners) listener.onRequest(makeRequest(id, method, {}), respond)
    },
    lose() {
      const error = new AppError('upstream_failed', 'The connection broke.')
      for (const [call, sink] of open) {
        open.delete(call)
        subscriptions.delete(call)
        sink.onFailure(error)
      }
      resolveLost()
    },
    async [Symbol.asyncDispose]() {
      isClosed = true
      for (const call of open.keys()) cancelled.push(call.request.id)
      open.clear()
      subscriptions.clear()
      listeners.clear()
    },
  }
  return relay
}

function stamp({ request }: ClientCall): JsonObject {
  return { _meta: { [metaKeys.subscriptionId]: JSON.parse(request.id) as unknown } }
}

const lists = {
  'tools/list': ['tools', 'tools'],
  'prompts/list': ['prompts', 'prompts'],
  'resources/list': ['resources', 'resources'],
  'resources/templates/list': ['templates', 'resourceTemplates'],
} as const

function usualAnswer(service: FakeService, profile: ClientProfile, call: ClientCall): JsonObject {
  const { method } = call.request
  const params = paramsOf(call.request)
  const modern = profile.era === 'modern' ? { resultType: 'complete' } : {}
  const list = lists[method as keyof typeof lists]
  if (list !== undefined) {
    const [field, member] = list
    const page = pageOf(service, service[field] ?? [], params)
    return { ...page, [member]: page.entries, entries: undefined, ...modern }
  }
  const result = answers[method]?.(service, params)
  if (result === undefined) throw new RpcError(-32601, `Method not found: ${method}`)
  return { ...result, ...modern }
}

type Answer = (service: FakeService, params: JsonObject) => JsonObject

const answers: Readonly<Record<string, Answer>> = {
  initialize: introduce,
  'server/discover': introduce,
  'tools/call': ({ name }, params) => ({
    content: [{ type: 'text', text: `${name}: ${String(params['name'])}` }],
  }),
  'prompts/get': ({ name }, params) => ({
    messages: [],
    description: `${name}: ${String(params['name'])}`,
  }),
  'resources/read': ({ name }, params) => ({ contents: [{ uri: params['uri'], text: name }] }),
  'completion/complete': ({ name }, params) => ({
    completion: { values: [name, JSON.stringify(objectAt(params, 'ref'))] },
  }),
  'resources/subscribe': () => ({}),
  'resources/unsubscribe': () => ({}),
  'logging/setLevel': () => ({}),
}

function introduce(service: FakeService): JsonObject {
  const capabilities = service.capabilities ?? capabilitiesOf(service)
  return { capabilities, instructions: service.instructions }
}

function pageOf(service: FakeService, all: readonly JsonObject[], params: JsonObject) {
  const { pageEntries = all.length, ttlMs } = service
  const start = Number(params['cursor'] ?? 0)
  const end = start + pageEntries
  const next = end < all.length ? { nextCursor: String(end) } : {}
  return { entries: all.slice(start, end), ...next, ttlMs }
}

function capabilitiesOf(service: FakeService): JsonObject {
  const capabilities: Record<string, JsonObject> = {}
  if (service.tools) capabilities['tools'] = { listChanged: true }
  if (service.prompts) capabilities['prompts'] = {}
  if (service.resources || service.templates) capabilities['resources'] = { subscribe: true }
  return capabilities
}
