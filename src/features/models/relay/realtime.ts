import type { LookupFunction } from 'node:net'
import { AppError } from '../../../lib/errors.ts'
import type { Log } from '../../../lib/log.ts'
import { writeSocketError } from '../../../net/error-response.ts'
import type { UpgradeRequest } from '../../../net/exchange.ts'
import { forwardRequestHeaders } from '../../../net/headers.ts'
import { tunnelWebSocket } from '../../../net/websocket-tunnel.ts'
import type { TunnelOutcome, WebSocketTarget } from '../../../net/websocket-tunnel.ts'
import type { CallTicker } from './call-ticker.ts'
import type { Caller, CallerAccess, UsageRecord } from '../caller.ts'
import type { Catalogue, Resolution, Target } from '../catalogue/catalogue.ts'
import type { TargetChoice } from '../routing/choose-target.ts'
import type { Cooldown } from '../routing/cooldown.ts'
import type { Credential, Provider } from '../catalogue/provider.ts'
import { selectTargets } from '../routing/provider-selection.ts'
import { surfaceOf } from '../surfaces.ts'
import { allCooling } from '../routing/target-walk.ts'
import { providerHeaders, upstreamPath } from '../routing/upstream-address.ts'

/** What passing WebSockets on needs. */
export interface RealtimeDependencies {
  readonly access: CallerAccess
  readonly catalogue: Catalogue
  readonly choice: TargetChoice
  readonly cooldown: Cooldown
  readonly ticker: CallTicker
  readonly lookupFor: (provider: Provider) => LookupFunction
  readonly log: Log
}

/**
 * Creates the function that takes WebSocket handshakes below the base of the models API. They are passed on to a
 * provider, whose bytes are not looked at; so a key with a budget, which could not be charged, is refused.
 * `responses` is answered 426, the one status on which Codex falls back to POST at once.
 */
export function createRealtime(
  dependencies: RealtimeDependencies,
): (request: UpgradeRequest, rest: string) => void {
  return (request, rest) => {
    pass(dependencies, request, rest).catch((error: unknown) => {
      if (!(error instanceof AppError)) {
        dependencies.log.error({ err: error, id: request.id }, 'WebSocket request failed')
      }
      const known =
        error instanceof AppError ? error : new AppError('internal_error', 'Something failed.')
      request.note.error = known.code
      writeSocketError(request.socket, known, request.id)
    })
  }
}

async function pass(
  dependencies: RealtimeDependencies,
  request: UpgradeRequest,
  rest: string,
): Promise<void> {
  const { access, catalogue, ticker } = dependencies
  if (rest === 'responses') throw upgradeRequired()
  const caller = access.authenticate(request)
  const query = new URLSearchParams(request.search)
  const model = query.get('model') ?? undefined
  const resolution = selectTargets(catalogue, { inbound: request, caller, model })
  if (caller.refusesUnpriced) {
    throw new AppError('model_unpriced', 'A WebSocket cannot be charged, and the key has a budget.')
  }
  const admission = await access.admit(caller, { tokens: 0, costNanoUsd: 0 })
  using _admission = { [Symbol.dispose]: () => admission.release() }
  const { target, credential } = pickTarget(dependencies, resolution)
  if (model !== undefined) query.set('model', target.model)
  const search = query.size === 0 ? '' : `?${query.toString()}`
  const stop = new AbortController()
  const running = { tick() {}, stop: () => stop.abort() }
  const leave = ticker.add(running)
  const outcome = await tunnelWebSocket(
    request,
    socketTarget({ request, rest, search, target, credential }, dependencies.lookupFor),
    stop.signal,
  )
  leave()
  report(dependencies.cooldown, credential, outcome)
  access.recordUsage(usageOf({ request, rest, caller, target, model }, outcome))
}

/** Throws `no_healthy_endpoint`, or `upgrade_required` for the built-in provider. */
function pickTarget(
  { choice, cooldown }: RealtimeDependencies,
  resolution: Resolution,
): { readonly target: Target; readonly credential: Credential } {
  const target = choice.next(resolution, new Set())
  if (target?.provider.kind === 'builtin') throw upgradeRequired()
  const credential = target && cooldown.pickCredential(target.provider)
  if (target === undefined || credential === undefined) {
    throw allCooling(resolution.asked, choice.readyInMs(resolution))
  }
  return { target, credential }
}

function report(cooldown: Cooldown, credential: Credential, outcome: TunnelOutcome): void {
  switch (outcome.state) {
    case 'closed':
    case 'refused':
      return cooldown.answered(credential, statusOf(outcome), [])
    case 'failed':
      return cooldown.broke(credential)
    case 'abandoned':
      return cooldown.abandoned(credential)
  }
}

function upgradeRequired(): AppError {
  return new AppError('upgrade_required', 'WebSocket is not offered here.', {
    hint: 'Use POST; streaming works with server-sent events.',
  })
}

interface Handshake {
  readonly request: UpgradeRequest
  readonly rest: string
  readonly search: string
  readonly target: Target
  readonly credential: Credential
}

function socketTarget(
  { request, rest, search, target, credential }: Handshake,
  lookupFor: RealtimeDependencies['lookupFor'],
): WebSocketTarget {
  const { provider } = target
  const headers = forwardRequestHeaders(request.req.rawHeaders, { acceptEncoding: 'pass' })
  return {
    origin: new URL(provider.baseUrl.origin),
    path: upstreamPath(provider, { rest, search, model: target.model }),
    headers: providerHeaders(provider, credential, {
      surface: surfaceOf('GET', rest),
      headers: withoutProtocolKeys(headers),
    }),
    lookup: lookupFor(provider),
    connectMs: provider.timeouts.connectMs,
    handshakeMs: provider.timeouts.firstByteMs,
  }
}

const protocolKey = /^openai-insecure-api-key\./

/** Browsers, which cannot set headers, may offer a key as a subprotocol. It is not a credential here, and must not go upstream. */
function withoutProtocolKeys(headers: readonly string[]): string[] {
  const kept: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    const [name, value] = [headers[at] as string, headers[at + 1] as string]
    const offered = name.toLowerCase() === 'sec-websocket-protocol' ? withoutKeys(value) : value
    if (offered !== '') kept.push(name, offered)
  }
  return kept
}

function withoutKeys(protocols: string): string {
  const offered = protocols.split(',').map((protocol) => protocol.trim())
  return offered.filter((protocol) => !protocolKey.test(protocol)).join(', ')
}

function statusOf(outcome: TunnelOutcome): number {
  switch (outcome.state) {
    case 'closed':
      return 101
    case 'refused':
      return outcome.status
    case 'failed':
      return outcome.error.status
    case 'abandoned':
      return 0
  }
}

interface Passed {
  readonly request: UpgradeRequest
  readonly rest: string
  readonly caller: Caller
  readonly target: Target
  readonly model: string | undefined
}

function usageOf(
  { request, rest, caller, target, model }: Passed,
  outcome: TunnelOutcome,
): UsageRecord {
  return {
    requestId: request.id,
    workspaceId: caller.workspaceId,
    keyId: caller.keyId,
    route: rest,
    modelAsked: model ?? null,
    providerId: target.provider.id,
    modelUsed: target.model,
    status: statusOf(outcome),
    inputTokens: null,
    outputTokens: null,
    cachedTokens: null,
    costNanoUsd: null,
    usageSource: 'absent',
    abortedBy: outcome.state === 'abandoned' ? 'client' : null,
    attempts: 1,
    firstByteMs: null,
    latencyMs: performance.now() - request.startedAt,
  }
}
