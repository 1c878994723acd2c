import { Secret } from '../../src/config/secret.ts'
import { Circuit } from '../../src/features/models/routing/circuit.ts'
import { parseModelList } from '../../src/features/models/catalogue/model-names.ts'
import { createPriceList } from '../../src/features/models/catalogue/prices.ts'
import type { Alias, AliasTarget, Provider } from '../../src/features/models/catalogue/provider.ts'

/** A provider for tests of what is computed from providers; `models` as in a provider's list. */
export function testProvider(
  id: string,
  { models = [], keys = [], ...fields }: Partial<Omit<Provider, 'models'>> & TestLists = {},
): Provider {
  const endpoint = new Circuit()
  const secrets = keys.length === 0 ? [null] : keys.map((text) => new Secret(text))
  return {
    id,
    workspaceId: 'default',
    name: `name of ${id}`,
    kind: 'openai',
    baseUrl: { origin: 'https://api.example', basePath: '/v1', host: 'api.example', port: 443 },
    credentials: secrets.map((secret, index) => ({
      id: `${id}-${index}`,
      label: '',
      secret,
      circuit: new Circuit(),
      endpoint,
    })),
    headers: [],
    models: parseModelList(models),
    enabled: true,
    weight: 1,
    priority: 0,
    prices: createPriceList({}),
    timeouts: { connectMs: 1000, firstByteMs: 1000, idleMs: 1000, totalMs: 1000 },
    options: {
      injectUsage: true,
      forwardOrganization: true,
      keepAliveComments: true,
      apiVersion: null,
    },
    allowPrivate: false,
    createdAt: 1_700_000_000_000,
    updatedAt: 1_700_000_000_000,
    health: { circuit: endpoint, turn: 0 },
    ...fields,
  }
}

interface TestLists {
  readonly models?: readonly string[]
  readonly keys?: readonly string[]
}

/** An alias for tests; targets have weight 1 and priority 0 unless they say otherwise. */
export function testAlias(
  name: string,
  targets: readonly (Pick<AliasTarget, 'providerId' | 'model'> & Partial<AliasTarget>)[],
  enabled = true,
): Alias {
  return {
    id: `alias of ${name}`,
    workspaceId: 'default',
    name,
    targets: targets.map((target) => ({ weight: 1, priority: 0, ...target })),
    enabled,
    createdAt: 0,
    updatedAt: 0,
  }
}
