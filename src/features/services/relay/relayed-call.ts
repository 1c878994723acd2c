import { AppError } from '../../../lib/errors.ts'
import type { Instance } from '../instances/instance.ts'
import type { Lease } from '../instances/instance-group.ts'
import type { CallSink, RunningCall } from '../upstream/connection.ts'
import type { RpcRequest, RpcResponse } from '../wire/rpc-message.ts'
import { makeError } from '../wire/rpc-message.ts'
import { RpcError, rpcCodes, toRpcError } from '../wire/rpc-error.ts'
import type { AdmittedCall } from './call-policy.ts'
import { showsLog, wantLogs } from './call-logs.ts'
import type { CallPlan } from './call-plan.ts'
import { toLegacyRequest, toModernRequest } from './era-edits.ts'
import { capabilityByMethod, startInputRounds } from './input-rounds.ts'
import { ParkedCall } from './parked-call.ts'
import { nameFailure } from './named-failure.ts'
import type { RelayContext } from './relay-context.ts'
import type { ClientCall } from './relay.ts'
import { exchangeWithServer } from './server-exchange.ts'
import { askUrls, isUrlRequest } from './url-elicitation.ts'
import { withoutOutput } from './without-output.ts'

/**
 * One call of a client on its way to the server and back: let in, given an instance, translated where the eras differ,
 * and recorded at its end.
 */
export class RelayedCall implements RunningCall {
  readonly #context: RelayContext
  readonly #call: ClientCall
  readonly #plan: CallPlan
  readonly #sink: CallSink
  readonly #onOver: () => void
  #admitted: AdmittedCall | undefined
  #lease: Lease | undefined
  #instance: Instance | undefined
  #running: RunningCall | undefined
  #isOver = false
  #isRepeated = false
  /** What the client has been asked is in the result, which then is good for this call alone. */
  #wasAsked = false

  constructor(
    context: RelayContext,
    {
      call,
      plan,
      sink,
    }: { readonly call: ClientCall; readonly plan: CallPlan; readonly sink: CallSink },
    onOver: () => void,
  ) {
    this.#context = context
    this.#call = call
    this.#plan = plan
    this.#sink = sink
    this.#onOver = onOver
  }

  /** Begins. Whatever happens, the sink hears of it. */
  start(): void {
    this.#run().catch((error: unknown) => this.#fail(error))
  }

  cancel(reason?: string): void {
    if (this.#isOver) return
    this.#running?.cancel(reason)
    this.#end(cancelledByClient)
  }

  async #run(): Promise<void> {
    const { policy, service, profile, cache } = this.#context
    const { request, requestId } = this.#call
    const { asked, used } = this.#plan
    const admitting = policy.admit({
      service: service(),
      caller: profile.caller,
      method: request.method,
      asked,
      used,
      requestId,
    })
    const admitted = admitting instanceof Promise ? await admitting : admitting
    // Nobody waits any more, and what was reserved is to be given back.
    if (this.#isOver) return admitted.end({ status: 503, abortedBy: 'client' })
    this.#admitted = admitted
    const { cacheKey } = this.#plan
    const known = cacheKey === undefined ? undefined : cache.find(cacheKey, request.id)
    this.#sendHeaders(cacheKey === undefined ? undefined : known === undefined ? 'MISS' : 'HIT')
    if (known !== undefined) return this.#respond(known)
    if (this.#resume()) return
    await this.#send()
  }

  /** Continues the call that the client was asked about, where this is its answer. */
  #resume(): boolean {
    const { parked, profile, service } = this.#context
    const { request } = this.#call
    const state = this.#plan.requestState
    if (state === undefined || this.#plan.serverEra !== 'legacy') return false
    const call = parked.resume(state, {
      keyId: profile.caller.keyId,
      serviceId: service().id,
      request,
    })
    if (call === undefined) return false
    this.#running = call
    call.resume({ request, sink: this.#clientSink(), capabilities: profile.capabilities })
    return true
  }

  async #send(): Promise<void> {
    const { runtime, user, attach } = this.#context
    const lease = await runtime().lease(user, this.#plan.asks)
    if (this.#isOver) return lease.release()
    this.#lease = lease
    this.#instance = lease.instance
    attach(lease.instance)
    const { era } = lease.instance.connection
    if (this.#context.profile.era === era) this.#sendDirectly(lease)
    else if (era === 'legacy') this.#sendParkable(lease)
    else this.#sendInRounds(lease)
  }

  #sendDirectly(lease: Lease): void {
    const { request, paramHeaders } = this.#plan.toServer(this.#call)
    this.#running = this.#exchange(lease, { request, paramHeaders }, this.#clientSink())
  }

  /** Modern client, legacy server. */
  #sendParkable(lease: Lease): void {
    const { parked, profile, service } = this.#context
    const { request } = this.#call
    const identity = { keyId: profile.caller.keyId, serviceId: service().id, request }
    // The call may outlive this request, and with it the lease.
    this.#lease = undefined
    const leaveLevel = wantLogs(lease.instance, this.#call)
    const parkable = new ParkedCall(
      { request, sink: this.#clientSink(), capabilities: profile.capabilities },
      (call, round) => parked.park(call, { ...identity, request: round }),
      () => {
        leaveLevel()
        lease.release()
      },
    )
    const sent = {
      request: toLegacyRequest(this.#plan.toServer(this.#call).request),
      paramHeaders: [],
    }
    const sink: CallSink = {
      onNotification: (notification) => {
        if (showsLog(notification, this.#call)) parkable.onNotification(notification)
      },
      onRequest: (asked, respond) => parkable.onRequest(asked, respond),
      onResponse: (response) => {
        if (isUrlRequest(response)) this.#askUrls(response, parkable)
        else parkable.onResponse(response)
      },
      onFailure: (error) => parkable.onFailure(error),
    }
    this.#running = parkable
    parkable.begin(this.#exchange(lease, sent, sink))
  }

  /** A legacy server wants pages visited first; a modern client is asked to, and makes the call again. */
  #askUrls(response: RpcResponse, parkable: ParkedCall): void {
    const { parked, profile, service } = this.#context
    const { request } = this.#call
    const identity = { keyId: profile.caller.keyId, serviceId: service().id, request }
    const asked = askUrls(response, { id: request.id, capabilities: profile.capabilities }, () =>
      parked.seal(identity),
    )
    parkable.cancel()
    this.#respond(asked)
  }

  /** Legacy client, modern server. */
  #sendInRounds(lease: Lease): void {
    const { profile, logLevel } = this.#context
    const { request, paramHeaders } = this.#plan.toServer(this.#call)
    this.#running = startInputRounds({
      request: toModernRequest(request, profile, logLevel()),
      method: request.method,
      capabilities: profile.capabilities,
      answerMs: this.#context.limits().answerMs,
      sink: this.#clientSink(),
      send: (round, sink) => this.#exchange(lease, { request: round, paramHeaders }, sink),
    })
  }

  #exchange(
    { instance }: Lease,
    sent: { readonly request: RpcRequest; readonly paramHeaders: readonly string[] },
    sink: CallSink,
  ): RunningCall {
    const { paramHeaders } = sent
    const options = paramHeaders.length === 0 ? {} : { paramHeaders }
    const { limits } = this.#context
    return exchangeWithServer(
      instance,
      { request: sent.request, options },
      { sink, limits: limits() },
    )
  }

  #clientSink(): CallSink {
    const sink = this.#sink
    return {
      onNotification: (notification) => {
        this.#admitted?.answered()
        sink.onNotification(notification)
      },
      onRequest: (asked, respond) => {
        const capability = capabilityByMethod[asked.method]
        const isAble =
          capability === undefined || this.#context.profile.capabilities[capability] !== undefined
        if (!isAble) return respond(makeError(asked.id, cannotAnswer(asked.method)))
        this.#admitted?.answered()
        this.#wasAsked = true
        sink.onRequest(asked, respond)
      },
      onResponse: (response) => this.#respond(response),
      onFailure: (error) => this.#retryOrFail(error),
    }
  }

  #respond(response: RpcResponse): void {
    if (this.#isOver) return
    const { cacheKey } = this.#plan
    const { cache, service } = this.#context
    const { cacheTtlMs } = service().settings
    if (cacheKey !== undefined && !this.#wasAsked) cache.keep(cacheKey, response, cacheTtlMs)
    this.#admitted?.answered()
    this.#end({ status: response.isError ? 400 : 200, abortedBy: null })
    this.#sink.onResponse(response)
  }

  /** A session that the server has forgotten is begun anew, once, for what may safely be done twice. */
  #retryOrFail(error: AppError): void {
    const isForgotten = error.code === 'session_not_found' && this.#plan.isRepeatable()
    if (this.#isOver || !isForgotten || this.#isRepeated) return this.#fail(error)
    this.#isRepeated = true
    this.#lease?.release()
    this.#lease = undefined
    this.#sendAgain().catch((cause: unknown) => this.#fail(cause))
  }

  /** Calls hear of the end of a session first. Only once its instance is known to be over, another one is given out. */
  async #sendAgain(): Promise<void> {
    await this.#instance?.closed
    if (!this.#isOver) await this.#send()
  }

  #fail(error: unknown): void {
    if (this.#isOver) return
    if (error instanceof RpcError) {
      this.#end({ status: 400, abortedBy: null })
      this.#sink.onResponse(makeError(this.#call.request.id, error))
      return
    }
    const known = error instanceof AppError ? error : undefined
    if (known === undefined) this.#context.log.error({ err: error }, 'MCP call failed')
    const { status = 500, code = 'internal_error' } = known ?? {}
    const abortedBy = code === 'upstream_timeout' ? 'timeout' : status >= 502 ? 'upstream' : null
    this.#end({ status, abortedBy })
    const { id } = this.#call.request
    if (known === undefined) {
      return this.#sink.onResponse(makeError(id, toRpcError(error, this.#call.requestId)))
    }
    this.#sink.onFailure(nameFailure(withoutOutput(known), this.#context.service().name))
  }

  #sendHeaders(cacheState: 'HIT' | 'MISS' | undefined): void {
    const headers = [
      ...(this.#admitted?.headers ?? []),
      ...(cacheState === undefined ? [] : ['x-cache', cacheState]),
    ]
    if (headers.length > 0) this.#sink.onHeaders?.(headers)
  }

  #end(outcome: {
    readonly status: number
    readonly abortedBy: 'client' | 'upstream' | 'timeout' | null
  }): void {
    this.#isOver = true
    this.#lease?.release()
    this.#lease = undefined
    this.#admitted?.end(outcome)
    this.#onOver()
  }
}

const cancelledByClient = { status: 499, abortedBy: 'client' } as const

function cannotAnswer(method: string): RpcError {
  const message = `The client did not say that it answers ${method}.`
  return new RpcError(rpcCodes.methodNotFound, message)
}
