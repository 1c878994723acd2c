import type { z } from 'zod'
import type { ResolveReport } from '../../../protocol/api/aliases.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { Cooldown } from '../routing/cooldown.ts'

/** A key as far as resolving goes. */
export interface ResolvingKey {
  readonly workspaceId: string
  /** Says whether the name is on the key's allow-list. */
  allowsModel(name: string): boolean
}

type Report = z.output<typeof ResolveReport>

/** Tells where a request of this key for this model would go at this moment, or how it would be refused. Nothing is sent. */
export function reportResolution(
  deps: { catalogue: Catalogue; cooldown: Cooldown },
  key: ResolvingKey,
  model: string,
): Report {
  const { catalogue, cooldown } = deps
  const resolution = catalogue.resolve(key.workspaceId, model)
  const allowed = key.allowsModel(model)
  const targets = (resolution?.targets ?? []).map(
    ({ provider, model: sent, priority, weight }) => ({
      providerId: provider.id,
      provider: provider.name,
      model: sent,
      priority,
      weight,
      ready: cooldown.isReady(provider),
    }),
  )
  const refusal = !allowed
    ? { code: 'model_not_allowed', message: `The key may not call the model "${model}".` }
    : refusalOf(targets, { catalogue, workspaceId: key.workspaceId, model })
  return { model, allowed, via: resolution?.via ?? null, targets, refusal }
}

function refusalOf(
  targets: Report['targets'],
  context: { catalogue: Catalogue; workspaceId: string; model: string },
): Report['refusal'] {
  if (targets.some(({ ready }) => ready)) return null
  if (targets.length > 0) {
    return { code: 'no_healthy_endpoint', message: 'Every provider of the model is cooling down.' }
  }
  const { catalogue, workspaceId, model } = context
  const aliases = [...catalogue.workspace(workspaceId).aliases.values()]
  const isAlias = aliases.some(({ name, enabled }) => name === model && enabled)
  return {
    code: 'model_not_found',
    message: isAlias
      ? `The alias "${model}" leads to no enabled provider.`
      : `Nothing is called "${model}".`,
  }
}
