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

/** The calls of one client that are under way. */
export interface Calls {
  start(call: ClientCall, sink: CallSink, work: Work): RunningCall
  /** Gives up what `notifications/cancelled` names; the member that has it in hand is told. */
  cancelNamed(notification: RpcNotification): void
  /** Fails what a member had in hand that will answer nothing any more. */
  failThose(gone: OpenMember): void
  /** Gives everything up. */
  cancelAll(): void
}

interface Entry {
  readonly call: ClientCall
  readonly sink: CallSink
  readonly givenUp: AbortController
  /** Where it has been passed on to. */
  passed?: { readonly to: OpenMember; readonly running: RunningCall | undefined }
}

/** Creates the calls of one client, who has none. */
export function createCalls(relays: MemberRelays): Calls {
  const running = new Set<Entry>()

  function answer(entry: Entry, response: RpcResponse): void {
    if (running.delete(entry)) entry.sink.onResponse(response)
  }

  function fail(entry: Entry, error: unknown): void {
    const { request, requestId } = entry.call
    answer(entry, makeError(request.id, toRpcError(error, requestId)))
  }

  function cancel(entry: Entry, reason?: string): void {
    if (!running.delete(entry)) return
    entry.givenUp.abort()
    entry.passed?.running?.cancel(reason)
  }

  function passOn(entry: Entry, { member, request }: Outcome & { kind: 'forward' }): void {
    const { call, sink } = entry
    const to = relays.open(member)
    const refuse = (error: unknown): void =>
      fail(entry, toMemberError(member, error, call.requestId))
    entry.passed = { to, running: undefined }
    const passed = to.relay.request(
      { ...call, request },
      {
        onNotification: (notification) => {
          if (running.has(entry)) sink.onNotification(labelLog(member, notification))
        },
        onRequest: (asked, respond) => {
          if (running.has(entry)) sink.onRequest(asked, respond)
        },
        onResponse: (response) => answer(entry, response),
        onFailure: refuse,
      },
    )
    entry.passed = { to, running: passed }
  }

  async function proceed(entry: Entry, work: Work): Promise<void> {
    const outcome = await work(entry.givenUp.signal)
    if (!running.has(entry)) return
    if (outcome.kind === 'answer') return answer(entry, outcome.response)
    await Promise.try(passOn, entry, outcome).catch((error: unknown) => {
      throw toMemberError(outcome.member, error, entry.call.requestId)
    })
  }

  return {
    start(call, sink, work) {
      const entry: Entry = { call, sink, givenUp: new AbortController() }
      running.add(entry)
      proceed(entry, work).catch((error: unknown) => fail(entry, error))
      return { cancel: (reason) => cancel(entry, reason) }
    },
    cancelNamed(notification) {
      const id = rawAt(notification.bytes, ['params', 'requestId'])?.toString()
      for (const entry of running) {
        if (entry.call.request.id !== id) continue
        running.delete(entry)
        entry.givenUp.abort()
        entry.passed?.to.relay.notify(notification)
      }
    },
    failThose(gone) {
      const reason = new AppError('upstream_failed', 'The server was restarted, or is gone.')
      for (const entry of running) {
        if (entry.passed?.to !== gone) continue
        fail(entry, toMemberError(gone.member, reason, entry.call.requestId))
      }
    },
    cancelAll() {
      for (const entry of running) cancel(entry)
    },
  }
}
