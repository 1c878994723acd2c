import { AppError } from '../../../lib/errors.ts'
import type { Catalogue, ListKind, PublishedCatalogue } from '../catalogue/catalogue.ts'
import { isLogLevel, isShown, type LogLevel } from '../instances/log-levels.ts'
import type { Instance } from '../instances/instance.ts'
import type { CallSink, ConnectionListener, RunningCall } from '../upstream/connection.ts'
import { hasUserValues } from '../instances/service-values.ts'
import { objectAt, textAt } from '../wire/json.ts'
import { RpcError, rpcCodes, toRpcError } from '../wire/rpc-error.ts'
import {
  makeError,
  makeNotification,
  makeRawResult,
  makeResult,
  paramsOf,
  type IdText,
  type RpcNotification,
  type RpcResponse,
} from '../wire/rpc-message.ts'
import { planCall } from './call-plan.ts'
import { idKey, isOfEra, unknownMethod } from './methods.ts'
import { discoverResult, initializeResult } from './hello-answers.ts'
import { kindsByMethod, listResult, listTtlMs } from './list-answers.ts'
import { changeMethods } from '../instances/list-changes.ts'
import { startListening } from './listen-stream.ts'
import { toAnswer } from './failed-answer.ts'
import type { RelayContext } from './relay-context.ts'
import type { ClientCall, ClientProfile, Relay } from './relay.ts'
import { RelayedCall } from './relayed-call.ts'
import { Subscriptions } from './subscriptions.ts'

/** What the relay of a client at one service needs beside what its calls need. */
export interface ServiceRelayDependencies extends Omit<
  RelayContext,
  'logLevel' | 'attach' | 'wantLogs' | 'showsLog' | 'profile' | 'user'
> {
  readonly catalogue: Catalogue
  readonly isQuarantined: (serviceId: string, kind: 'tools' | 'prompts', name: string) => boolean
  /** Hears after lists of the service changed, and which. Returns the function that ends it. */
  readonly onListsChanged: (listener: (kinds: ReadonlySet<ListKind>) => void) => () => void
}

/** One client at one service. */
export class ServiceRelay implements Relay {
  readonly lost: Promise<void>
  readonly #deps: ServiceRelayDependencies
  readonly #context: RelayContext
  readonly #running = new Map<IdText, RunningCall>()
  readonly #listeners = new Set<ConnectionListener>()
  readonly #attached = new Map<Instance, () => void>()
  /** What ends our hearing of the end of those instances. */
  readonly #closings = new Set<() => void>()
  readonly #subscriptions: Subscriptions
  readonly #leaveLists: () => void
  #level: LogLevel | undefined
  /** The client waits for the answer to its first request, before which it must not hear of anything. */
  #isGreeting = false
  #lose: () => void = () => undefined

  constructor(deps: ServiceRelayDependencies, profile: ClientProfile) {
    this.#deps = deps
    const { promise, resolve } = Promise.withResolvers<void>()
    this.lost = promise
    this.#lose = resolve
    this.#context = {
      ...deps,
      profile,
      user: { ...profile, keyId: profile.caller.keyId },
      logLevel: () => this.#level,
      attach: (instance) => this.#attach(instance),
    }
    this.#subscriptions = new Subscriptions({
      lease: () => deps.runtime().lease(this.#context.user, false),
      onUpdated: (notification) => this.#tell(notification),
    })
    this.#leaveLists =
      profile.era === 'legacy'
        ? deps.onListsChanged((kinds) => this.#tellListsChanged(kinds))
        : () => undefined
  }

  request(call: ClientCall, sink: CallSink): RunningCall {
    const { request } = call
    const answer = this.#isServed ? this.#ownAnswer(call) : () => Promise.reject(this.#notServed())
    if (answer === undefined) return this.#relay(call, sink)
    let isOver = false
    Promise.try(() => {
      if (call.isPlain === true) this.#tellPlain(call, sink)
      return answer()
    })
      .catch((error: unknown) => toAnswer(error, call, this.#deps))
      .then((response) => {
        if (isOver) return
        if ('kind' in response) sink.onResponse(response)
        else sink.onFailure(response)
      })
      .catch((error: unknown) => this.#deps.log.error({ err: error }, `${request.method} failed`))
    return { cancel: () => (isOver = true) }
  }

  notify(notification: RpcNotification): void {
    const { method } = notification
    if (method === 'notifications/cancelled') {
      const id = idKey(JSON.stringify(paramsOf(notification)['requestId']) ?? 'null')
      const running = this.#running.get(id)
      this.#running.delete(id)
      running?.cancel(textAt(paramsOf(notification), 'reason'))
      return
    }
    if (method === 'notifications/initialized' || !this.#isPrivate) return
    this.#deps.runtime().current(this.#context.user)?.connection.notify(notification)
  }

  listen(listener: ConnectionListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leaveLists()
    for (const running of this.#running.values()) running.cancel('The client is gone.')
    this.#running.clear()
    this.#subscriptions.close()
    for (const leave of this.#attached.values()) leave()
    this.#attached.clear()
    for (const forget of this.#closings) forget()
    this.#closings.clear()
    const { sessionId } = this.#context.profile
    if (sessionId !== undefined && this.#isPrivate) await this.#deps.runtime().endSession(sessionId)
  }

  get #isModernServer(): boolean {
    return this.#deps.catalogue.published(this.#deps.service().id)?.hello.era === 'modern'
  }

  /** Connections last longer than what was true when they were made. */
  get #isServed(): boolean {
    const { name, settings } = this.#deps.service()
    return settings.enabled && this.#context.profile.caller.allowsService(name)
  }

  #notServed(): AppError {
    return new AppError('not_found', `There is no service ${this.#deps.service().name} any more.`)
  }

  get #isPrivate(): boolean {
    const { isolation } = this.#deps.service().settings
    return isolation === 'per-session' && this.#context.profile.sessionId !== undefined
  }

  /** How many requests are left, and whether a list was at hand, as proxies tell it that know plain JSON-RPC alone. */
  #tellPlain({ request }: ClientCall, sink: CallSink): void {
    const { policy, service: current, catalogue } = this.#deps
    const service = current()
    const headers = policy.count(service, this.#context.profile.caller)
    const isKept = kindsByMethod.has(request.method) && service.settings.cacheTtlMs > 0
    const isKnown = catalogue.published(service.id)?.revision === service.revision
    sink.onHeaders?.(isKept ? [...headers, 'x-cache', isKnown ? 'HIT' : 'MISS'] : headers)
  }

  #knows(method: string): boolean {
    if (!isOfEra(method, this.#context.profile.era)) return false
    // Of a connection to a legacy server that several share, anybody could ask for the tasks of all.
    return !method.startsWith('tasks/') || this.#isModernServer || this.#isPrivate
  }

  /** What makes the answer to what concerns no server at this moment; undefined for what does. */
  #ownAnswer(call: ClientCall): (() => Promise<RpcResponse>) | undefined {
    const { request } = call
    const { id, method } = request
    if (!this.#knows(method)) return () => Promise.reject(unknownMethod(method))
    if (kindsByMethod.has(method)) return () => this.#list(call)
    switch (method) {
      case 'initialize':
      case 'server/discover':
        return () => this.#hello(call)
      case 'ping':
        return () => Promise.resolve(makeResult(id, {}))
      case 'logging/setLevel':
        return () => Promise.try(() => this.#setLevel(call))
      case 'resources/subscribe':
      case 'resources/unsubscribe':
        return () => this.#subscribe(call)
      default:
        return undefined
    }
  }

  #relay(call: ClientCall, sink: CallSink): RunningCall {
    const key = idKey(call.request.id)
    const forget = () => {
      if (this.#running.get(key) === running) this.#running.delete(key)
    }
    const running =
      call.request.method === 'subscriptions/listen'
        ? startListening(this.#deps, { call, sink, user: this.#context.user }, forget)
        : this.#call(call, sink, forget)
    if (running === undefined) return { cancel: () => undefined }
    this.#running.set(key, running)
    if (running instanceof RelayedCall) running.start()
    return running
  }

  #call(call: ClientCall, sink: CallSink, onOver: () => void): RelayedCall | undefined {
    const service = this.#deps.service()
    const { catalogue, isQuarantined } = this.#deps
    try {
      const plan = planCall(
        {
          service,
          profile: this.#context.profile,
          catalogue: catalogue.published(service.id),
          isQuarantined: (kind, name) => isQuarantined(service.id, kind, name),
        },
        call.request,
      )
      return new RelayedCall(this.#context, { call, plan, sink }, onOver)
    } catch (error) {
      sink.onResponse(makeError(call.request.id, toRpcError(error, call.requestId)))
      return undefined
    }
  }

  async #hello({ request }: ClientCall): Promise<RpcResponse> {
    this.#isGreeting = true
    const { hello } = await this.#published().finally(() => (this.#isGreeting = false))
    const options = { isPrivate: this.#isPrivate, ttlMs: listTtlMs }
    const result =
      request.method === 'initialize'
        ? initializeResult(hello, textAt(paramsOf(request), 'protocolVersion'), options)
        : discoverResult(hello, options)
    return makeResult(request.id, result)
  }

  async #list({ request }: ClientCall): Promise<RpcResponse> {
    const published = await this.#published()
    const { profile } = this.#context
    const service = this.#deps.service()
    const kind = kindsByMethod.get(request.method) ?? 'tools'
    const capability = objectAt(
      published.hello.capabilities,
      kind === 'templates' ? 'resources' : kind,
    )
    const result = listResult(published, {
      kind,
      era: profile.era,
      service: service.name,
      caller: profile.caller,
      cursor: paramsOf(request)['cursor'],
      ttlMs: capability['listChanged'] === true ? listTtlMs : 0,
    })
    return makeRawResult(request.id, result)
  }

  /** What is known of the server; where that is nothing, or was before its last change, it is asked. */
  async #published(): Promise<PublishedCatalogue> {
    const { catalogue, service, runtime } = this.#deps
    const { id, revision } = service()
    if (hasUserValues(service())) {
      // What a server shows to one user, whose values it was given, is none of the others' business.
      const own = await runtime().ownLists(this.#context.user)
      return catalogue.publish(service(), own)
    }
    const known = catalogue.published(id)
    if (known?.revision === revision) return known
    const read = runtime().readLists(this.#context.user)
    // Old news are better than none where the server cannot be reached.
    await (known === undefined ? read : read.catch(() => undefined))
    const published = catalogue.published(id) ?? known
    if (published !== undefined) return published
    throw new RpcError(rpcCodes.internalError, 'The server did not say what it has.')
  }

  #setLevel({ request }: ClientCall): RpcResponse {
    const level = paramsOf(request)['level']
    if (!isLogLevel(level)) throw new RpcError(rpcCodes.invalidParams, 'Invalid log level')
    this.#level = level
    for (const instance of this.#attached.keys()) this.#reattach(instance)
    return makeResult(request.id, {})
  }

  async #subscribe({ request }: ClientCall): Promise<RpcResponse> {
    const uri = textAt(paramsOf(request), 'uri')
    if (uri === undefined) throw new RpcError(rpcCodes.invalidParams, 'A uri is needed.')
    if (request.method === 'resources/subscribe') await this.#subscriptions.add(uri)
    else this.#subscriptions.remove(uri)
    return makeResult(request.id, {})
  }

  /** From its first call on, a legacy client hears what the instance says beside its calls. */
  #attach(instance: Instance): void {
    if (this.#context.profile.era === 'modern' || this.#attached.has(instance)) return
    this.#reattach(instance)
    const forget = instance.onClosed(() => {
      this.#attached.get(instance)?.()
      this.#attached.delete(instance)
      this.#closings.delete(forget)
      const { upstream } = this.#deps.service().settings
      // What the program kept for the session is gone with it, however it came to end.
      const keptState = upstream.kind === 'process' && instance.connection.era === 'legacy'
      if (keptState && this.#isPrivate) this.#lose()
    })
    this.#closings.add(forget)
  }

  #reattach(instance: Instance): void {
    this.#attached.get(instance)?.()
    const leaveLevel = this.#level === undefined ? undefined : instance.logLevels.want(this.#level)
    const leave = instance.attach({
      onNotification: (notification) => this.#tell(notification),
      onRequest: (request, respond) => {
        const [listener] = this.#listeners
        if (listener !== undefined) return listener.onRequest(request, respond)
        const message = 'The client has no stream open on which it could be asked.'
        respond(makeError(request.id, new RpcError(rpcCodes.internalError, message)))
      },
    })
    this.#attached.set(instance, () => {
      leaveLevel?.()
      leave()
    })
  }

  #tell(notification: RpcNotification): void {
    const isLog = notification.method === 'notifications/message'
    if (isLog && this.#level !== undefined) {
      if (!isShown(paramsOf(notification)['level'], this.#level)) return
    }
    for (const listener of this.#listeners) listener.onNotification(notification)
  }

  #tellListsChanged(kinds: ReadonlySet<ListKind>): void {
    if (this.#isGreeting) return
    for (const method of changeMethods(kinds)) this.#tell(makeNotification(method))
  }
}
