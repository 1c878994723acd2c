import type { Config } from '../../config/schema.ts'
import { AppError } from '../../lib/errors.ts'
import type { Live } from '../../lib/live.ts'
import type { OutboundRequest, Upstream } from '../../net/outbound.ts'
import type { TargetChoice } from './choose-target.ts'
import type { Cooldown } from './cooldown.ts'
import type { Credential } from './provider.ts'
import type { RequestPlan } from './request-plan.ts'
import type { Target } from './resolve.ts'
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

/** Hands out the attempts of one request, one after the other, and passes on how each of them went. */
export interface TargetWalk {
  /** The next attempt; an error where none can be made yet, `undefined` where all targets have been tried. */
  next(): Attempt | AppError | undefined
  /** The upstream answered. Returns whether its status calls for another target. */
  answered(attempt: Attempt, status: number, headers: readonly string[]): boolean
  /** The upstream was unreachable, too slow, or broke off. */
  broke(attempt: Attempt): void
  /** The client left. */
  abandoned(attempt: Attempt): void
}

/** What all walks share. */
export interface WalkDependencies {
  readonly choice: TargetChoice
  readonly cooldown: Cooldown
  readonly upstreams: Upstreams
  readonly config: Live<Config['models']>
}

/** Begins the walk of one request. `needsUsage`: the caller's budget or token limit depends on what the call uses. */
export function createTargetWalk(
  dependencies: WalkDependencies,
  plan: RequestPlan,
  needsUsage: boolean,
): TargetWalk {
  const { choice, cooldown, upstreams, config } = dependencies
  const tried = new Set<Target>()
  const attempts = new Map<Target, number>()

  return {
    next() {
      const target = choice.next(plan.resolution, tried)
      const credential = target && cooldown.pickCredential(target.provider)
      if (target === undefined || credential === undefined) {
        return tried.size > 0 ? undefined : allCooling(plan, choice.readyInMs(plan.resolution))
      }
      attempts.set(target, (attempts.get(target) ?? 0) + 1)
      return prepare(
        { plan, needsUsage, upstream: upstreams.of(target.provider) },
        target,
        credential,
      )
    },
    answered(attempt, status, headers) {
      cooldown.answered(attempt.credential, status, headers)
      if (status === 401 || status === 403 || status === 429) {
        // Another credential may be welcome where this one was not.
        const { credentials } = attempt.target.provider
        if ((attempts.get(attempt.target) ?? 0) < credentials.length) return true
      }
      tried.add(attempt.target)
      return status >= 500 || config().retryStatuses.includes(status)
    },
    broke(attempt) {
      cooldown.broke(attempt.credential)
      tried.add(attempt.target)
    },
    abandoned(attempt) {
      cooldown.abandoned(attempt.credential)
    },
  }
}

interface Preparation {
  readonly plan: RequestPlan
  readonly needsUsage: boolean
  readonly upstream: Upstream
}

function prepare(
  { plan, needsUsage, upstream }: Preparation,
  target: Target,
  credential: Credential,
): Attempt {
  const { provider } = target
  const { surface, search, method } = plan
  const isTranslated = surface.family === 'anthropic' && provider.kind !== 'anthropic'
  const injectsUsage = needsUsage && provider.options.injectUsage && lacksUsage(plan)
  const request = isTranslated
    ? plan.translated(target)
    : { rest: plan.rest, headers: plan.headers, body: plan.bodyFor(target, injectsUsage) }
  const model = plan.asked === null ? null : target.model
  return {
    target,
    credential,
    injectsUsage,
    isTranslated,
    upstream,
    outbound: {
      method,
      path: upstreamPath(provider, { rest: request.rest, search, model }),
      headers: providerHeaders(provider, credential, { surface, headers: request.headers }),
      body: request.body,
    },
  }
}

function lacksUsage({ isStream, surface, includesUsage }: RequestPlan): boolean {
  return isStream && surface.hasStreamOptions && !includesUsage
}

function allCooling(plan: RequestPlan, readyInMs: number): AppError {
  const name = plan.asked ?? plan.resolution.targets[0]?.provider.name ?? ''
  return new AppError('no_healthy_endpoint', `Every provider of "${name}" is cooling down.`, {
    retryAfterMs: Math.max(1000, readyInMs),
  })
}
