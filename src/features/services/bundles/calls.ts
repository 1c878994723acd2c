import { AppError } from '../../../lib/errors.ts'
import type { ClientCall } from '../relay/relay.ts'
import type { CallSink, RunningCall } from '../upstream/connection.ts'
import { toRpcError } from '../wire/rpc-error.ts'
import {
  makeError,
  type RpcNotification,
  type RpcRequest,
  type RpcResponse,
} from '../wire/rpc-message.ts'
import { rawAt } from './json-reading.ts'
import { labelLog } from './log-label.ts'
import type { MemberRelays, OpenMember } from './member-relays.ts'
import { toMemberError, type Member } from './member.ts'

/** How a request is dealt with: answered here, or by a member. */
export type Outcome =
  | { readonly kind: 'answer'; readonly response: RpcResponse }
  | { readonly kind: 'forward'; readonly member: Member; readonly request: RpcRequest }

/** What a request comes to. Rejects with what the client is told as an error; `signal` fires when it has given up. */
export type Work = (signal: AbortSignal) => Promise<Outcome>

interface Entry {
  readonly call: ClientCall
  readonly sink: CallSink
  readonly givenUp: AbortController
  /** Where it has been passed on to. */
  passed?: { readonly to: OpenMember; readonly running: RunningCall | undefined }
}

/** The calls of one client that are under way. */
export class Calls {
  private readonly relays: MemberRelays
  private readonly running = new Set<Entry>()

  constructor(relays: MemberRelays) {
    this.relays = relays
  }

  /** Begins a call. The sink hears of it later, never before this returns. */
  start(call: ClientCall, sink: CallSink, work: Work): RunningCall {
    const entry: Entry = { call, sink, givenUp: new AbortController() }
    this.running.add(entry)
    this.proceed(entry, work).catch((error: unknown) => this.fail(entry, error))
    return { cancel: (reason) => this.cancel(entry, reason) }
  }

  /** Gives up what `notifications/cancelled` names; the member that has it in hand is told. */
  cancelNamed(notification: RpcNotification): void {
    const id = rawAt(notification.bytes, ['params', 'requestId'])?.toString()
    for (const entry of this.running) {
      if (entry.call.request.id !== id) continue
      this.running.delete(entry)
      entry.givenUp.abort()
      entry.passed?.to.relay.notify(notification)
    }
  }

  /** Fails what a member had in hand that will answer nothing any more. */
  failThose(gone: OpenMember): void {
    const reason = new AppError('upstream_failed', 'The server was restarted, or is gone.')
    for (const entry of this.running) {
      if (entry.passed?.to !== gone) continue
      this.fail(entry, toMemberError(gone.member, reason, entry.call.requestId))
    }
  }

  /** Gives everything up. */
  cancelAll(): void {
    for (const entry of this.running) this.cancel(entry)
  }

  private async proceed(entry: Entry, work: Work): Promise<void> {
    const outcome = await work(entry.givenUp.signal)
    if (!this.running.has(entry)) return
    if (outcome.kind === 'answer') return this.answer(entry, outcome.response)
    await Promise.try(() => this.passOn(entry, outcome)).catch((error: unknown) => {
      throw toMemberError(outcome.member, error, entry.call.requestId)
    })
  }

  private passOn(entry: Entry, { member, request }: Outcome & { kind: 'forward' }): void {
    const { call, sink } = entry
    const to = this.relays.open(member)
    entry.passed = { to, running: undefined }
    const running = to.relay.request(
      { ...call, request },
      {
        onNotification: (notification) => {
          if (this.running.has(entry)) sink.onNotification(labelLog(member, notification))
        },
        onRequest: (asked, respond) => {
          if (this.running.has(entry)) sink.onRequest(asked, respond)
        },
        onResponse: (response) => this.answer(entry, response),
        onFailure: (error) => this.fail(entry, toMemberError(member, error, call.requestId)),
      },
    )
    entry.passed = { to, running }
  }

  private answer(entry: Entry, response: RpcResponse): void {
    if (this.running.delete(entry)) entry.sink.onResponse(response)
  }

  private fail(entry: Entry, error: unknown): void {
    const { request, requestId } = entry.call
    this.answer(entry, makeError(request.id, toRpcError(error, requestId)))
  }

  private cancel(entry: Entry, reason?: string): void {
    if (!this.running.delete(entry)) return
    entry.givenUp.abort()
    entry.passed?.running?.cancel(reason)
  }
}
