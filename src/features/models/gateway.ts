import type { Config } from '../../config/schema.ts'
import { AppError } from '../../lib/errors.ts'
import type { Live } from '../../lib/live.ts'
import type { Log } from '../../lib/log.ts'
import { jsonAnswer, sendAnswer } from '../../net/answer.ts'
import type { Exchange } from '../../net/exchange.ts'
import { ClientGone } from '../../net/request-body.ts'
import { cachedOutcome } from './relay/answer-copies.ts'
import type { AnswerCopies } from './relay/answer-copies.ts'
import { estimateTokens } from './anthropic/count-tokens.ts'
import { errorBody } from './api-errors.ts'
import { accountFor } from './relay/call-outcome.ts'
import type { CallSubject } from './relay/call-outcome.ts'
import type { CallTicker } from './relay/call-ticker.ts'
import type { Admission, Caller, CallerAccess, UsageEstimate } from './caller.ts'
import type { Catalogue } from './catalogue/catalogue.ts'
import { ModelCall } from './relay/model-call.ts'
import { answerModelList } from './catalogue/model-list.ts'
import { estimateNanoUsd } from './catalogue/prices.ts'
import type { RequestPlan } from './request/request-plan.ts'
import type { CachedResponse } from './relay/response-cache.ts'
import { readPlan } from './request/request-reader.ts'
import type { ReaderDependencies } from './request/request-reader.ts'
import { surfaceOf } from './surfaces.ts'
import type { ApiFamily, Surface } from './surfaces.ts'
import { createTargetWalk } from './routing/target-walk.ts'
import type { WalkDependencies } from './routing/target-walk.ts'

/** What the data plane of the models API is made of. */
export interface GatewayDependencies extends ReaderDependencies, WalkDependencies {
  readonly access: CallerAccess
  readonly catalogue: Catalogue
  readonly copies: AnswerCopies
  readonly ticker: CallTicker
  readonly config: Live<Config['models']>
  readonly upstreamFailed: (provider: string, kind: string) => void
  readonly log: Log
}

/**
 * Answers requests below the base of the models API; `rest` is the path below it, without a leading slash.
 * Whatever happens, the exchange is answered or destroyed.
 */
export type Gateway = (exchange: Exchange, rest: string) => void

/** Creates the data plane of the models API. */
export function createGateway(dependencies: GatewayDependencies): Gateway {
  const { log } = dependencies
  return (exchange, rest) => {
    const surface = surfaceOf(exchange.req.method ?? 'GET', rest)
    serve(dependencies, { exchange, rest, surface }).catch((error: unknown) => {
      if (error instanceof ClientGone) return exchange.res.destroy()
      if (!(error instanceof AppError))
        log.error({ err: error, id: exchange.id }, 'model request failed')
      return refuse(exchange, familyOf(exchange, surface), error)
    })
  }
}

interface Request {
  readonly exchange: Exchange
  readonly rest: string
  readonly surface: Surface
}

async function serve(dependencies: GatewayDependencies, request: Request): Promise<void> {
  const { access, catalogue } = dependencies
  const { exchange, rest } = request
  const caller = access.authenticate(exchange)
  exchange.note.keyId = caller.keyId
  if (isModelList(exchange, rest)) return answerModelList({ catalogue, caller, exchange, rest })
  const plan = await readPlan(dependencies, { ...request, caller })
  if (plan.asked !== null) exchange.note.model = plan.asked
  refuseUnpriced(caller, plan)
  refuseUntranslatable(plan)
  if (plan.surface.name === 'messages/count_tokens' && isTranslated(plan)) {
    const tokens = estimateTokens(plan.original ?? Buffer.alloc(0))
    return sendAnswer(exchange, 'data', jsonAnswer(200, tokens))
  }
  const admission = access.admit(caller, estimateFor(plan))
  const granted = admission instanceof Promise ? await admission : admission
  if (exchange.res.destroyed) granted.release()
  else call(dependencies, { exchange, caller, plan, admission: granted })
}

interface GrantedRequest {
  readonly exchange: Exchange
  readonly caller: Caller
  readonly plan: RequestPlan
  readonly admission: Admission
}

function call(dependencies: GatewayDependencies, granted: GrantedRequest): void {
  const { access, copies, ticker } = dependencies
  const { exchange, caller, plan, admission } = granted
  const subject: CallSubject = { requestId: exchange.id, caller, plan, admission }
  const copy = copies.find(subject, exchange)
  if (copy !== undefined) {
    replay(copy, exchange, admission)
    access.recordUsage(accountFor(subject, cachedOutcome(copy, exchange)))
    return
  }
  const observer = copies.observe(subject, exchange)
  const running = new ModelCall(dependencies, {
    exchange,
    plan,
    walk: createTargetWalk(dependencies, plan, caller.needsUsage),
    observer,
    onEnd(outcome) {
      leave()
      access.recordUsage(accountFor(subject, outcome))
    },
  })
  const leave = ticker.add(running)
  running.start()
}

function replay(copy: CachedResponse, { res, id }: Exchange, admission: Admission): void {
  const own = ['x-gateway-request-id', id, 'x-request-id', id, 'x-cache', 'HIT']
  res.writeHead(copy.status, [...copy.headers, ...own, ...admission.headers])
  for (const chunk of copy.chunks) res.write(chunk)
  res.end()
}

function isModelList({ req }: Exchange, rest: string): boolean {
  return (
    (req.method === 'GET' || req.method === 'HEAD') &&
    (rest === 'models' || rest.startsWith('models/'))
  )
}

/** Anthropic's clients name the version of its API in every request. */
function familyOf(exchange: Exchange, surface: Surface): ApiFamily {
  return exchange.req.headers['anthropic-version'] === undefined ? surface.family : 'anthropic'
}

function estimateFor(plan: RequestPlan): UsageEstimate {
  const { input, output } = plan.estimate
  let costNanoUsd = 0
  for (const target of plan.resolution.targets) {
    costNanoUsd = Math.max(costNanoUsd, estimateNanoUsd(target.price, input, output))
  }
  return { tokens: input + output, costNanoUsd }
}

/** Surfaces on which a request that names no model costs nothing: it concerns an object that is there already, or is free. */
const freeSurfaces: ReadonlySet<string> = new Set(['responses', 'files', 'uploads', 'moderations'])

/** A budget that cannot be charged is no budget. */
function refuseUnpriced(caller: Caller, plan: RequestPlan): void {
  if (!caller.refusesUnpriced) return
  if (plan.asked === null) {
    if (!writes.has(plan.method) || freeSurfaces.has(plan.surface.name)) return
    throw new AppError(
      'model_unpriced',
      'The call names no model to charge, and the key has a budget.',
    )
  }
  if (plan.resolution.targets.every((target) => target.price !== null)) return
  throw new AppError(
    'model_unpriced',
    `The model "${plan.asked}" has no price, and the key has a budget.`,
  )
}

const writes: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])

function isTranslated(plan: RequestPlan): boolean {
  return (
    plan.surface.family === 'anthropic' && plan.resolution.targets[0]?.provider.kind !== 'anthropic'
  )
}

/** What cannot be said to a provider is refused here, before anything is reserved for it. */
function refuseUntranslatable(plan: RequestPlan): void {
  const { family, name } = plan.surface
  if (family !== 'anthropic' || name === 'messages/count_tokens') return
  const foreign = plan.resolution.targets.find((target) => target.provider.kind !== 'anthropic')
  if (foreign !== undefined) plan.translated(foreign)
}

function refuse(exchange: Exchange, family: ApiFamily, error: unknown): void {
  const { res, note } = exchange
  note.error = error instanceof AppError ? error.code : 'internal_error'
  if (res.headersSent || res.destroyed) return void res.destroy()
  const answer = errorBody(family, error, exchange.id)
  const headers = [...answer.headers, 'content-length', String(Buffer.byteLength(answer.body))]
  // A body that was not read to its end would be taken for the next request.
  if (!exchange.req.complete) headers.push('connection', 'close')
  res.writeHead(answer.status, headers)
  res.end(answer.body)
}
