import { AppError } from '../../../lib/errors.ts'
import type { PublishedCatalogue, PublishedItem } from '../catalogue/catalogue.ts'
import type { Service } from '../service.ts'
import { isJsonObject, objectAt, parseJson, textAt, type JsonObject } from '../wire/json.ts'
import type { Era } from '../wire/protocol-versions.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import { editMessage, paramsOf, type RpcRequest } from '../wire/rpc-message.ts'
import { paramHeaders } from './param-headers.ts'
import type { ClientCall, ClientProfile } from './relay.ts'
import { cacheKey } from './result-cache.ts'

/** What is to become of a call, before anything is reserved or started for it. */
export interface CallPlan {
  /** Name or URI as the client asked for it. */
  readonly asked: string | null
  /** The same as the server calls it. */
  readonly used: string | null
  /** Whether the server may ask the client something about it. */
  readonly asks: boolean
  /** Says whether doing it twice does no harm. */
  isRepeatable(): boolean
  readonly cacheKey: string | undefined
  /** The state that the client brought from an earlier round. */
  readonly requestState: unknown
  /** As last known; undefined for a server that was never reached. */
  readonly serverEra: Era | undefined
  /** The request with the server's names, in the client's era. */
  toServer(call: ClientCall): {
    readonly request: RpcRequest
    readonly paramHeaders: readonly string[]
  }
}

/** What a call is planned with. */
export interface PlanBasis {
  readonly service: Service
  readonly profile: ClientProfile
  readonly catalogue: PublishedCatalogue | undefined
  /** Says whether the server has this and it waits for approval. */
  readonly isQuarantined: (kind: 'tools' | 'prompts', name: string) => boolean
}

/** Methods about which a server may ask, and in which list what they name stands. */
const askingMethods: Readonly<Record<string, CallKind>> = {
  'tools/call': 'tools',
  'prompts/get': 'prompts',
  'resources/read': 'resources',
}

/** Decides about a call. Throws `service_not_allowed`, `tool_quarantined`, and RpcError for a name that there is not. */
export function planCall(basis: PlanBasis, request: RpcRequest): CallPlan {
  const { service, profile, catalogue } = basis
  const params = paramsOf(request)
  const kind = askingMethods[request.method]
  const asked = kind === 'resources' ? textAt(params, 'uri') : textAt(params, 'name')
  const item = findItem(basis, kind, asked)
  const toolJson = kind === 'tools' ? item?.json : undefined
  const used = item?.upstreamName ?? asked ?? null
  const renamed = renameEdit(basis, request, { params, item })
  return {
    asked: asked ?? null,
    used,
    asks: kind !== undefined,
    isRepeatable: () => isRepeatable(request.method, toolJson),
    cacheKey: cacheKey(service, profile.caller.keyId, {
      toolJson,
      name: asked,
      request,
      era: profile.era,
    }),
    requestState: params['requestState'],
    serverEra: catalogue?.hello.era,
    toServer(call) {
      const own = profile.era === 'legacy' && toolJson !== undefined
      return {
        request: editMessage(call.request, renamed),
        paramHeaders: own
          ? paramHeaders(toolJson, objectAt(params, 'arguments'))
          : (call.paramHeaders ?? []),
      }
    },
  }
}

type CallKind = 'tools' | 'prompts' | 'resources'

function findItem(
  basis: PlanBasis,
  kind: CallKind | undefined,
  asked: string | undefined,
): PublishedItem | undefined {
  if (kind === undefined || kind === 'resources' || asked === undefined) return undefined
  const { service, profile, catalogue } = basis
  if (kind === 'tools' && !profile.caller.allowsTool(service.name, asked)) {
    throw new AppError('service_not_allowed', `This key may not call the tool "${asked}".`)
  }
  const list = catalogue?.lists[kind]
  const item = list?.byName.get(asked)
  if (item === undefined && list !== undefined) refuseHidden(basis, kind, asked)
  return item
}

/** What is hidden, renamed or in quarantine is not there. What is in no list at all may be new: the server decides. */
function refuseHidden(
  { service, isQuarantined }: PlanBasis,
  kind: 'tools' | 'prompts',
  asked: string,
): void {
  if (isQuarantined(kind, asked)) {
    const message = `"${asked}" was changed by its server and waits for approval.`
    throw new AppError('tool_quarantined', message)
  }
  if (!hasFilter(service, kind) && !service.settings.pin) return
  const what = kind === 'tools' ? 'tool' : 'prompt'
  throw new RpcError(rpcCodes.invalidParams, `Unknown ${what}: ${asked}`)
}

function hasFilter({ settings }: Service, kind: 'tools' | 'prompts'): boolean {
  const { show, hide, rename } = settings.filter[kind]
  return show !== null || hide.length > 0 || Object.keys(rename).length > 0
}

function renameEdit(
  { catalogue }: PlanBasis,
  { method }: RpcRequest,
  { params, item }: { readonly params: JsonObject; readonly item: PublishedItem | undefined },
): { path: [string, ...string[]]; json: string }[] {
  if (item !== undefined && item.upstreamName !== item.name) {
    return [{ path: ['params', 'name'], json: JSON.stringify(item.upstreamName) }]
  }
  const ref = params['ref']
  if (method !== 'completion/complete' || !isJsonObject(ref)) return []
  const prompt = catalogue?.lists.prompts.byName.get(textAt(ref, 'name') ?? '')
  if (prompt === undefined || prompt.upstreamName === prompt.name) return []
  return [{ path: ['params', 'ref', 'name'], json: JSON.stringify(prompt.upstreamName) }]
}

function isRepeatable(method: string, toolJson: string | undefined): boolean {
  if (method !== 'tools/call') return true
  if (toolJson === undefined) return false
  const { readOnlyHint, idempotentHint } = objectAt(parseJson(toolJson), 'annotations')
  return readOnlyHint === true || idempotentHint === true
}
