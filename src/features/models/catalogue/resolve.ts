import { expandWildcard, isWildcard } from './model-names.ts'
import type { Price } from './prices.ts'
import type { Alias, Provider } from './provider.ts'

/** One place a request may be sent to. Compared by identity. */
export interface Target {
  readonly provider: Provider
  /** The name that the provider is sent. */
  readonly model: string
  /** Lower is tried first. */
  readonly priority: number
  /** Share within its priority. */
  readonly weight: number
  /** Null where the provider has no price for the model. */
  readonly price: Price | null
}

/** What a model name stands for. */
export interface Resolution {
  /** The name as the client sent it. */
  readonly asked: string
  /** The rule that matched: an alias or model of exactly this name, a wildcard, any provider, or a provider named by the request. */
  readonly via: 'alias' | 'model' | 'wildcard' | 'any-provider' | 'named-provider'
  /** Never empty; ordered by priority. */
  readonly targets: readonly Target[]
}

/** Everything that has a say in what a name of one workspace stands for. */
export interface ResolverSources {
  readonly providers: Iterable<Provider>
  readonly aliases: Iterable<Alias>
  /** A name that nothing lists goes, unchanged, to every enabled provider. */
  readonly anyProviderFallback: boolean
}

/** Tells what names stand for. Immutable but for its cache; a change of its sources needs a new one. */
export interface Resolver {
  /**
   * An exact alias, else an exact model, else the longest wildcard (an alias before a model of the same prefix), else any
   * provider where that is allowed. Undefined where nothing matches, or what matches leads to no enabled provider:
   * an alias never gives way to a rule below it.
   */
  resolve(name: string): Resolution | undefined
  /** All names that are no wildcards and resolve. */
  readonly exact: ReadonlyMap<string, Resolution>
}

interface Wildcard {
  readonly prefix: string
  /** Targets whose `model` is still a template. */
  readonly templates: readonly Target[]
}

const cachedNamesMax = 1000
const cachedNameCharsMax = 256

/** Compiles the names of one workspace. */
export function createResolver(sources: ResolverSources): Resolver {
  const enabled = [...sources.providers].filter((provider) => provider.enabled)
  const aliases = [...sources.aliases].filter((alias) => alias.enabled)
  const exact = new Map<string, Resolution>()
  const silenced = new Set<string>()
  const models = modelTargets(enabled)
  for (const [name, targets] of models) {
    if (!isWildcard(name)) exact.set(name, toResolution(name, 'model', targets))
  }
  const wildcards = new Map<string, Wildcard>()
  for (const [name, templates] of models) addWildcard(wildcards, name, templates)
  const byId = new Map(enabled.map((provider) => [provider.id, provider]))
  for (const alias of aliases) {
    const targets = aliasTargets(alias, byId)
    addWildcard(wildcards, alias.name, targets)
    if (isWildcard(alias.name)) continue
    exact.delete(alias.name)
    if (targets.length === 0) silenced.add(alias.name)
    else exact.set(alias.name, toResolution(alias.name, 'alias', targets))
  }
  const longestFirst = [...wildcards.values()].sort(
    (left, right) => right.prefix.length - left.prefix.length,
  )
  const anyProvider = sources.anyProviderFallback
    ? enabled.filter(({ kind }) => kind !== 'builtin')
    : []
  const cache = new Map<string, Resolution>()

  function resolveInexactly(name: string): Resolution | undefined {
    if (silenced.has(name)) return undefined
    const wildcard = longestFirst.find(({ prefix }) => name.startsWith(prefix))
    if (wildcard !== undefined) return expand(name, wildcard)
    if (anyProvider.length === 0) return undefined
    const targets = anyProvider.map((provider) => ownTarget(provider, name))
    return toResolution(name, 'any-provider', targets)
  }

  return {
    exact,
    resolve(name) {
      const known = exact.get(name) ?? cache.get(name)
      if (known !== undefined) return known
      const resolution = resolveInexactly(name)
      if (resolution === undefined || name.length > cachedNameCharsMax) return resolution
      if (cache.size >= cachedNamesMax) cache.delete(cache.keys().next().value!)
      cache.set(name, resolution)
      return resolution
    },
  }
}

/** Restricts a name to one provider: to what it stands for there, else to the name itself, whether or not it is listed. */
export function resolveAt(resolver: Resolver, provider: Provider, name: string): Resolution {
  const targets = resolver
    .resolve(name)
    ?.targets.filter((target) => target.provider.id === provider.id)
  return targets === undefined || targets.length === 0
    ? toResolution(name, 'named-provider', [ownTarget(provider, name)])
    : toResolution(name, 'named-provider', targets)
}

function modelTargets(providers: readonly Provider[]): Map<string, Target[]> {
  const targets = new Map<string, Target[]>()
  for (const provider of providers) {
    for (const { name, sends } of provider.models) {
      const target = ownTarget(provider, sends)
      const others = targets.get(name)
      if (others === undefined) targets.set(name, [target])
      else others.push(target)
    }
  }
  return targets
}

function aliasTargets(alias: Alias, providers: ReadonlyMap<string, Provider>): Target[] {
  return alias.targets.flatMap(({ providerId, model, priority, weight }) => {
    const provider = providers.get(providerId)
    if (provider === undefined) return []
    return [toTarget({ provider, model, priority, weight })]
  })
}

function addWildcard(wildcards: Map<string, Wildcard>, name: string, templates: Target[]): void {
  if (isWildcard(name)) wildcards.set(name, { prefix: name.slice(0, -1), templates })
}

function expand(name: string, { prefix, templates }: Wildcard): Resolution | undefined {
  if (templates.length === 0) return undefined
  const rest = name.slice(prefix.length)
  const targets = templates.map(({ provider, model, priority, weight }) =>
    toTarget({ provider, model: expandWildcard(model, rest), priority, weight }),
  )
  return toResolution(name, 'wildcard', targets)
}

function ownTarget(provider: Provider, model: string): Target {
  return toTarget({ provider, model, priority: provider.priority, weight: provider.weight })
}

function toTarget(target: Omit<Target, 'price'>): Target {
  return Object.freeze({ ...target, price: target.provider.prices.find(target.model) })
}

function toResolution(
  asked: string,
  via: Resolution['via'],
  targets: readonly Target[],
): Resolution {
  const ordered = targets.toSorted((left, right) => left.priority - right.priority)
  return Object.freeze({ asked, via, targets: Object.freeze(ordered) })
}
