import type { Secret } from '../../../config/secret.ts'
import type { Circuit } from '../routing/circuit.ts'
import type { PriceList } from './prices.ts'

/** What dialect a provider speaks and how it wants its credential. `builtin` answers inside this process. */
type ProviderKind = 'openai' | 'azure' | 'anthropic' | 'ollama' | 'custom' | 'builtin'

/** An upstream that serves models, ready to be called. Frozen; a change makes a new one. Only the circuits inside are alive. */
export interface Provider {
  readonly id: string
  /** `''` for the built-in provider, which every workspace has. */
  readonly workspaceId: string
  readonly name: string
  readonly kind: ProviderKind
  readonly baseUrl: BaseUrl
  /** Never empty: a provider that needs no credential has one without a secret. */
  readonly credentials: readonly Credential[]
  /** Further request headers, lower-case names. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly models: readonly ModelEntry[]
  readonly enabled: boolean
  readonly weight: number
  /** Lower is tried first. */
  readonly priority: number
  readonly prices: PriceList
  readonly timeouts: ProviderTimeouts
  readonly options: ProviderOptions
  /** Whether exactly this host and port may be a private address. */
  readonly allowPrivate: boolean
  readonly createdAt: number
  readonly updatedAt: number
  /** The same object for as long as the provider keeps its id and base URL, whatever else is changed. */
  readonly health: ProviderHealth
}

/** Where a provider is: `origin` + `basePath` + `/` + the rest of the path. */
export interface BaseUrl {
  /** `https://host[:port]`, canonical. */
  readonly origin: string
  /** `''`, or a path that starts with a slash and does not end with one. */
  readonly basePath: string
  /** Host without port; an IPv6 address without brackets. */
  readonly host: string
  readonly port: number
}

/** One way to identify ourselves to a provider. */
export interface Credential {
  readonly id: string
  readonly label: string
  /** Null where the provider asks for none. */
  readonly secret: Secret | null
  readonly circuit: Circuit
  /** The circuit of the provider itself, the same for all its credentials. */
  readonly endpoint: Circuit
}

/** One line of a provider's model list. */
export interface ModelEntry {
  /** What clients ask for; a final `*` matches any rest. */
  readonly name: string
  /** What the provider is sent; where `name` is a wildcard, its first `*` stands for the matched rest. */
  readonly sends: string
}

/** How long each phase of a call may take, ms. */
export interface ProviderTimeouts {
  readonly connectMs: number
  readonly firstByteMs: number
  readonly idleMs: number
  /** Not for streams. */
  readonly totalMs: number
}

/** Switches of one provider. */
interface ProviderOptions {
  /** Ask for `usage` in streams where the client did not but its key needs it. */
  readonly injectUsage: boolean
  /** Pass `openai-organization` and `openai-project` on. */
  readonly forwardOrganization: boolean
  /** Send comments into silent event streams of this provider. */
  readonly keepAliveComments: boolean
  /** Value of `?api-version=`; Azure. */
  readonly apiVersion: string | null
}

/** What is remembered of a provider between calls. */
export interface ProviderHealth {
  readonly circuit: Circuit
  /** Index of the credential whose turn is next. */
  turn: number
}

/** A model name of ours that stands for models of providers. */
export interface Alias {
  readonly id: string
  readonly workspaceId: string
  /** A final `*` matches any rest. */
  readonly name: string
  readonly targets: readonly AliasTarget[]
  readonly enabled: boolean
  readonly createdAt: number
  readonly updatedAt: number
}

/** One of the models an alias stands for. */
export interface AliasTarget {
  readonly providerId: string
  /** What the provider is sent; where the alias is a wildcard, its first `*` stands for the matched rest. */
  readonly model: string
  readonly weight: number
  readonly priority: number
}
