import type { IncomingMessage } from 'node:http'
import type { Config } from '../../../config/schema.ts'
import { AppError } from '../../../lib/errors.ts'
import type { Live } from '../../../lib/live.ts'
import type { Exchange } from '../../../net/exchange.ts'
import { forwardRequestHeaders } from '../../../net/headers.ts'
import { readBody } from '../../../net/request-body.ts'
import { meteredBody } from '../../../net/metered-body.ts'
import { translateRequest } from '../anthropic/request-translation.ts'
import type { Caller } from '../caller.ts'
import type { Catalogue, Resolution, Target } from '../catalogue/catalogue.ts'
import type { TargetChoice } from '../routing/choose-target.ts'
import { readFormRequest } from './form-request.ts'
import type { ObjectRoutes } from '../routing/object-routes.ts'
import { selectTargets } from '../routing/provider-selection.ts'
import { estimateTokens } from './request-estimate.ts'
import { readJsonRequest, rewriteJsonRequest } from './request-json.ts'
import type { JsonRequest } from './request-json.ts'
import type { RequestPlan, TranslatedRequest } from './request-plan.ts'
import { headerOf } from '../relay/response-headers.ts'
import type { Surface } from '../surfaces.ts'

/** What reading a request needs. */
export interface ReaderDependencies {
  readonly catalogue: Catalogue
  readonly choice: TargetChoice
  readonly holders: Pick<ObjectRoutes, 'of'>
  readonly limits: Live<Config['limits']>
}

/** A request on its way to becoming a plan. */
export interface IncomingCall {
  readonly exchange: Exchange
  /** Path below the base, without a leading slash. */
  readonly rest: string
  readonly surface: Surface
  readonly caller: Caller
}

/**
 * Reads as much of a request as its surface demands, and finds out where it goes.
 * Throws `invalid_request`, `request_too_large`, `request_timeout`, `unsupported_media_type`, `model_not_allowed`,
 * `model_not_found`, `provider_not_found`, `unsupported_translation`; or `ClientGone`.
 */
export async function readPlan(
  dependencies: ReaderDependencies,
  call: IncomingCall,
): Promise<RequestPlan> {
  switch (call.surface.body) {
    case 'json':
      return readJsonPlan(dependencies, call)
    case 'multipart':
      return readFormPlan(dependencies, call)
    case 'opaque':
      return isJsonPost(call.exchange.req)
        ? readJsonPlan(dependencies, call)
        : readOpaquePlan(dependencies, call)
  }
}

async function readJsonPlan(
  { catalogue, holders, limits }: ReaderDependencies,
  call: IncomingCall,
): Promise<RequestPlan> {
  const { exchange, caller, surface } = call
  const { modelBodyBytesMax, bodyTimeoutMs } = limits()
  const bytes = await readBody(exchange.req, {
    bytesMax: modelBodyBytesMax,
    stallMs: bodyTimeoutMs,
  })
  const json = readJsonRequest(bytes)
  const model = json.model
  if (model === undefined && surface.body === 'json' && surface.name !== 'moderations') {
    throw new AppError('invalid_request', 'The body names no model.', { param: 'model' })
  }
  const holder =
    surface.body === 'opaque' ? await holders.of(caller.workspaceId, call.rest) : undefined
  const resolution = selectTargets(catalogue, { inbound: exchange, caller, model, holder })
  const headers = withoutEncoding(
    forwardRequestHeaders(exchange.req.rawHeaders, { acceptEncoding: 'identity' }),
  )
  return {
    ...planOf(call, resolution, headers),
    asked: model ?? null,
    isStream: json.stream,
    includesUsage: json.includesUsage,
    estimate: estimateTokens({ bodyBytes: bytes.length, outputTokensMax: json.outputTokensMax }),
    isReplayable: true,
    original: bytes,
    bodyFor: (target, injectUsage) =>
      model === undefined ? bytes : rewriteJsonRequest(json, { model: target.model, injectUsage }),
    translated: translationOf(json, headers),
  }
}

function translationOf(
  json: JsonRequest,
  headers: readonly string[],
): (target: Target) => TranslatedRequest {
  return (target) => ({
    rest: 'chat/completions',
    // Its query is for Anthropic's API, like `?beta=true`.
    search: '',
    headers: headers.filter((_part, at) => !isAnthropicHeader(headers[at - (at % 2)] as string)),
    body: translateRequest(json.bytes, { model: target.model }).body,
  })
}

function isAnthropicHeader(name: string): boolean {
  return name.toLowerCase().startsWith('anthropic-')
}

async function readFormPlan(
  { catalogue, choice, limits }: ReaderDependencies,
  call: IncomingCall,
): Promise<RequestPlan> {
  const { exchange, caller } = call
  const { uploadBytesMax, modelBodyBytesMax, bodyTimeoutMs } = limits()
  const form = await readFormRequest(exchange.req, {
    bytesMax: uploadBytesMax,
    heldBytesMax: modelBodyBytesMax,
    stallMs: bodyTimeoutMs,
  })
  const resolution = selectTargets(catalogue, { inbound: exchange, caller, model: form.model })
  const headers = forwardRequestHeaders(exchange.req.rawHeaders, { acceptEncoding: 'identity' })
  // A form is sent once, so there is one target, and the length of what it gets is known now.
  const target = choice.next(resolution, new Set()) ?? (resolution.targets[0] as Target)
  const model = form.model === undefined ? undefined : target.model
  const length = form.lengthWith(model)
  if (length !== undefined) headers.push('content-length', String(length))
  return {
    ...planOf(call, { ...resolution, targets: [target] }, headers),
    asked: form.model ?? null,
    bodyFor: () => form.bodyWith(model),
  }
}

async function readOpaquePlan(
  { catalogue, holders, limits }: ReaderDependencies,
  call: IncomingCall,
): Promise<RequestPlan> {
  const { exchange, caller, rest } = call
  const holder = await holders.of(caller.workspaceId, rest)
  const resolution = selectTargets(catalogue, {
    inbound: exchange,
    caller,
    model: undefined,
    holder,
  })
  const { req } = exchange
  const headers = forwardRequestHeaders(req.rawHeaders, { acceptEncoding: 'identity' })
  const length = req.headers['content-length']
  const isSending = hasBody(req.headers)
  if (length !== undefined) headers.push('content-length', length)
  const { uploadBytesMax, bodyTimeoutMs } = limits()
  return {
    ...planOf(call, resolution, headers),
    isReplayable: !isSending,
    bodyFor: () =>
      isSending ? meteredBody(req, { bytesMax: uploadBytesMax, stallMs: bodyTimeoutMs }) : null,
  }
}

/** What plans have in common, and what they have not where nothing else is known. */
function planOf(
  call: IncomingCall,
  resolution: Resolution,
  headers: readonly string[],
): Omit<RequestPlan, 'bodyFor'> {
  return {
    surface: call.surface,
    method: call.exchange.req.method ?? 'GET',
    rest: call.rest,
    search: call.exchange.search,
    headers,
    resolution,
    asked: null,
    isStream: false,
    includesUsage: false,
    estimate: { input: 0, output: 0 },
    isReplayable: false,
    original: undefined,
    translated: untranslatable,
  }
}

function untranslatable(): never {
  throw new AppError('unsupported_translation', 'The provider does not speak this API.')
}

/** Some clients announce JSON with every request, also where they send no body: `POST responses/{id}/cancel`. */
function isJsonPost({ method, headers }: IncomingMessage): boolean {
  const isJson = method === 'POST' && (headers['content-type'] ?? '').includes('json')
  return isJson && hasBody(headers)
}

function hasBody(headers: IncomingMessage['headers']): boolean {
  return (headers['content-length'] ?? '0') !== '0' || headers['transfer-encoding'] !== undefined
}

/** The body was decoded to find the model in it, and goes on decoded. */
function withoutEncoding(headers: string[]): string[] {
  if (headerOf(headers, 'content-encoding') === undefined) return headers
  return headers.filter(
    (_part, at) => (headers[at - (at % 2)] as string).toLowerCase() !== 'content-encoding',
  )
}
