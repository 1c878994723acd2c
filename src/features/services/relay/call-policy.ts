import type { Clock } from '../../../lib/clock.ts'
import { AppError } from '../../../lib/errors.ts'
import type { Admission, Caller, CallerAccess } from '../caller.ts'
import type { Service } from '../service.ts'
import { createRateWindows } from './rate-windows.ts'

/** What a call is, for limits and records. */
interface CallSubject {
  readonly service: Service
  readonly caller: Caller
  readonly method: string
  /** Name of the tool or prompt, or URI, as the client asked for it. */
  readonly asked: string | null
  /** The same as the server calls it. */
  readonly used: string | null
  readonly requestId: string
}

/** How a call ended. */
interface CallOutcome {
  readonly status: number
  readonly abortedBy: 'client' | 'upstream' | 'timeout' | null
}

/** A call that was let in. */
export interface AdmittedCall {
  /** `X-RateLimit-*` as a flat list name, value, …; empty where the service has no limit. */
  readonly headers: readonly string[]
  /** Notes when the first message for the client came. */
  answered(): void
  /** Called once, at the end. */
  end(outcome: CallOutcome): void
}

/** Lets calls in, within the limits of service and key, and keeps the books. */
export interface CallPolicy {
  /** Throws (or rejects with) `rate_limit_exceeded`, `insufficient_quota`, `overloaded`. */
  admit(subject: CallSubject): AdmittedCall | Promise<AdmittedCall>
  /** Counts a request that is no call. Returns `X-RateLimit-*` like `headers` above; throws `rate_limit_exceeded`. */
  count(service: Service, caller: Caller): readonly string[]
}

/** Creates the policy; `access` knows the limits of the keys. */
export function createCallPolicy(deps: {
  readonly access: Pick<CallerAccess, 'admit' | 'recordCall'>
  readonly clock: Clock
}): CallPolicy {
  const { access, clock } = deps
  const windows = createRateWindows(clock)
  const running = new Map<string, number>()

  function countRunning({ id, settings }: Service): () => void {
    const { concurrencyMax } = settings
    if (concurrencyMax === null) return () => undefined
    const now = running.get(id) ?? 0
    if (now >= concurrencyMax) {
      const message = 'The service handles as many calls as it may.'
      throw new AppError('overloaded', message, { retryAfterMs: 1000 })
    }
    running.set(id, now + 1)
    return () => running.set(id, (running.get(id) ?? 1) - 1)
  }

  function count({ id, settings }: Service, { keyId }: Caller): readonly string[] {
    const { requestsPerMinute } = settings
    return requestsPerMinute === null ? [] : windows.count(`${id} ${keyId}`, requestsPerMinute)
  }

  return {
    count,
    admit(subject) {
      const { service, caller, method } = subject
      const headers = count(service, caller)
      const leave = countRunning(service)
      const price = method === 'tools/call' ? service.settings.costUsd : 0
      const granted = (admission: Admission) =>
        keepBooks({ access, clock }, { subject, admission, headers, price, leave })
      const admission = cleanUpOnThrow(leave, () => access.admit(caller, price))
      return admission instanceof Promise
        ? admission.then(granted, (error: unknown) => {
            leave()
            throw error
          })
        : granted(admission)
    },
  }
}

interface OpenBooks {
  readonly subject: CallSubject
  readonly admission: Admission
  readonly headers: readonly string[]
  readonly price: number
  readonly leave: () => void
}

function keepBooks(
  { access, clock }: { access: Pick<CallerAccess, 'recordCall'>; clock: Clock },
  { subject, admission, headers, price, leave }: OpenBooks,
): AdmittedCall {
  const startedAt = clock.elapsed()
  let firstByteMs: number | null = null
  return {
    headers,
    answered() {
      firstByteMs ??= clock.elapsed() - startedAt
    },
    end({ status, abortedBy }) {
      leave()
      // What the server never saw is not charged.
      if (status === 503) admission.release()
      else admission.settle()
      const { service, caller, method, asked, used, requestId } = subject
      access.recordCall({
        requestId,
        workspaceId: caller.workspaceId,
        keyId: caller.keyId,
        route: `mcp/${method}`,
        asked,
        serviceId: service.id,
        used,
        costUsd: status === 503 ? 0 : price,
        status,
        abortedBy,
        firstByteMs,
        latencyMs: clock.elapsed() - startedAt,
      })
    },
  }
}

function cleanUpOnThrow<Value>(cleanUp: () => void, work: () => Value): Value {
  try {
    return work()
  } catch (error) {
    cleanUp()
    throw error
  }
}
