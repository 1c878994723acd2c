import type { Config } from '../../../config/schema.ts'
import { AppError } from '../../../lib/errors.ts'
import type { Live } from '../../../lib/live.ts'
import type { OutboundRequest, Upstream } from '../../../net/outbound.ts'
import type { TargetChoice } from './choose-target.ts'
import type { Cooldown } from './cooldown.ts'
import type { Credential } from '../catalogue/provider.ts'
import type { RequestPlan } from '../request/request-plan.ts'
import type { Target } from '../catalogue/resolve.ts'
import { providerHeaders, upstreamPath } from './upstream-address.ts'
import type { Upstreams } from './upstreams.ts'

/** One attempt, ready to be sent. */
export interface Attempt {
  readonly target: Target
  readonly credential: Credential
  readonly upstream: Upstream
  readonly outbound: OutboundRequest
  /** Usage was asked for on the client's behalf; the event that brings it is not for the client. */
  readonly injectsUsage: boolean
  /** The request was translated for a provider of the other family, and so must the answer be. */
  readonly isTranslated: boolean
}

/**
 * Hands out the attempts of one request, one after the other, and passes on how each of them went: every attempt is
 * handed back through exactly one of `refused`, `ended`, `broke` and `abandoned`.
 */
export interface TargetWalk {
  /** The next attempt; an error where none can be made yet, `undefined` where all targets have been tried. */
  next(): Attempt | AppError | undefined
  /** The upstream has begun to answer, and not with an error. */
  began(attempt: Attempt): void
  /** The upstream answered with an error. Returns whether its status calls for another attempt. */
  refused(attempt: Attempt, status: number, headers: readonly string[]): boolean
  /** The answer is complete. */
  ended(attempt: Attempt): void
  /** The upstream was unreachable, too slow, or broke off. */
  broke(attempt: Attempt): void
  /** The attempt ended for a reason that says nothing about the upstream: the client left. */
  abandoned(attempt: Attempt): void
}

/** What all walks share. */
export interface WalkDependencies {
  readonly choice: TargetChoice
  readonly cooldown: Cooldown
  readonly upstreams: Upstreams
  readonly config: Live<Config['models']>
}

/** Statuses that one credential may get and another may not. */
const credentialStatuses: ReadonlySet<number> = new Set([401, 402, 403, 429])

/** Begins the walk of one request. `needsUsage`: the caller's budget or token limit depends on what the call uses. */
export function createTargetWalk(
  dependencies: WalkDependencies,
  plan: RequestPlan,
  needsUsage: boolean,
): TargetWalk {
  const { choice, cooldown, upstreams, config } = dependencies
  const tried = new Set<Target>()
  const attempts = new Map<Target, number>()
  let mayInjectUsage = needsUsage && lacksUsage(plan)

  function hasUntriedCredential({ provider }: Target, status: number, attempted: number): boolean {
    return credentialStatuses.has(status) && attempted < provider.credentials.length
  }

  return {
    next() {
      const target = choice.next(plan.resolution, tried)
      const credential = target && cooldown.pickCredential(target.provider)
      if (target === undefined || credential === undefined) {
        if (attempts.size > 0) return undefined
        return allCooling(plan.asked ?? '', choice.readyInMs(plan.resolution))
      }
      attempts.set(target, (attempts.get(target) ?? 0) + 1)
      const upstream = upstreams.of(target.provider)
      const injectsUsage = mayInjectUsage && target.provider.options.injectUsage
      return prepare(plan, { target, credential, upstream, injectsUsage })
    },
    began({ credential }) {
      cooldown.began(credential)
    },
    refused({ target, credential, injectsUsage }, status, headers) {
      cooldown.answered(credential, status, headers)
      if (injectsUsage && (status === 400 || status === 422)) {
        // It may be what we added that it does not like; the client is not to suffer for that.
        mayInjectUsage = false
        return true
      }
      if (hasUntriedCredential(target, status, attempts.get(target) ?? 0)) return true
      tried.add(target)
      return status >= 500 || config().retryStatuses.includes(status)
    },
    ended({ credential }) {
      cooldown.answered(credential, 200, [])
    },
    broke({ target, credential }) {
      cooldown.broke(credential)
      tried.add(target)
    },
    abandoned({ credential }) {
      cooldown.abandoned(credential)
    },
  }
}

function prepare(plan: RequestPlan, choice: Omit<Attempt, 'outbound' | 'isTranslated'>): Attempt {
  const { target, credential, injectsUsage } = choice
  const { provider } = target
  const { surface, method, rest, search, headers } = plan
  const isTranslated = surface.family === 'anthropic' && provider.kind !== 'anthropic'
  const request = isTranslated
    ? plan.translated(target)
    : { rest, search, headers, body: plan.bodyFor(target, injectsUsage) }
  const model = plan.asked === null ? null : target.model
  return {
    ...choice,
    isTranslated,
    outbound: {
      method,
      path: upstreamPath(provider, { rest: request.rest, search: request.search, model }),
      headers: providerHeaders(provider, credential, { surface, headers: request.headers }),
      body: request.body,
    },
  }
}

function lacksUsage({ isStream, surface, includesUsage }: RequestPlan): boolean {
  return isStream && surface.hasStreamOptions && !includesUsage
}

/** The error for a model of which nobody can be asked at present. */
export function allCooling(model: string, readyInMs: number): AppError {
  const whose = model === '' ? 'Every provider' : `Every provider of "${model}"`
  return new AppError('no_healthy_endpoint', `${whose} is cooling down.`, {
    retryAfterMs: Math.max(1000, readyInMs),
  })
}
