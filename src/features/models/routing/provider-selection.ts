import { AppError } from '../../../lib/errors.ts'
import type { Inbound } from '../../../net/exchange.ts'
import type { Caller } from '../caller.ts'
import type { Catalogue, Provider, Resolution } from '../catalogue/catalogue.ts'

/** The request header that names a provider by id or name. */
const providerHeader = 'x-gateway-provider'

const nameLengthMax = 512

/** Who asks for what: enough to find where a request goes. */
export interface Selection {
  readonly inbound: Inbound
  readonly caller: Caller
  /** The model as the client named it; undefined where it named none. */
  readonly model: string | undefined
  /** The provider that holds the object which the path names. */
  readonly holder?: string | undefined
}

/**
 * Where a request goes. The allow-list is asked about the name that the client sent, before it is resolved; a request
 * without a model counts as one whose name is empty.
 * Throws `invalid_request` for what cannot be a name, `model_not_allowed`, `model_not_found`, `provider_not_found`.
 */
export function selectTargets(catalogue: Catalogue, selection: Selection): Resolution {
  const { caller, model } = selection
  refuseUnfitName(model)
  if (!caller.allowsModel(model ?? '')) throw notAllowed(model)
  const named = namedProvider(catalogue, selection)
  if (model === undefined) {
    const provider = named ?? impliedProvider(catalogue, selection)
    return catalogue.resolveAt(caller.workspaceId, provider, '')
  }
  if (named !== undefined) return catalogue.resolveAt(caller.workspaceId, named, model)
  const resolution = catalogue.resolve(caller.workspaceId, model)
  if (resolution === undefined) {
    throw new AppError('model_not_found', `The model "${model}" does not exist.`)
  }
  return resolution
}

/** The name goes into URLs, headers, log lines and rows. */
function refuseUnfitName(model: string | undefined): void {
  if (model === undefined || (model.length <= nameLengthMax && model.isWellFormed())) return
  const message = `A model name is valid Unicode of up to ${nameLengthMax} characters.`
  throw new AppError('invalid_request', message, { param: 'model' })
}

function notAllowed(model: string | undefined): AppError {
  return model === undefined
    ? new AppError('model_not_allowed', 'This key may only make calls that name a model.')
    : new AppError('model_not_allowed', `This key may not call the model "${model}".`)
}

function namedProvider(catalogue: Catalogue, { inbound, caller }: Selection): Provider | undefined {
  const name = inbound.req.headers[providerHeader]
  if (typeof name !== 'string') return undefined
  const provider = catalogue.provider(caller.workspaceId, name)
  if (provider === undefined) {
    throw new AppError('provider_not_found', `There is no provider "${name}".`)
  }
  return provider
}

/** Without a model: who holds the object, else the key's default, else the only provider there is. */
function impliedProvider(catalogue: Catalogue, { caller, holder }: Selection): Provider {
  const { workspaceId, defaultProviderId } = caller
  for (const id of [holder, defaultProviderId]) {
    const provider =
      id === undefined || id === null ? undefined : catalogue.provider(workspaceId, id)
    if (provider !== undefined) return provider
  }
  const candidates = [...catalogue.workspace(workspaceId).providers.values()].filter(
    (provider) => provider.enabled && provider.kind !== 'builtin',
  )
  if (candidates.length === 1) return candidates[0] as Provider
  throw new AppError('provider_not_found', 'The request names neither a model nor a provider.', {
    hint: `Send the header ${providerHeader}, or give the key a default provider.`,
  })
}
