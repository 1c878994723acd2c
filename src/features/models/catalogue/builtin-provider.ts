import { toBaseUrl } from './base-url.ts'
import { builtinModelNames } from '../builtin/builtin-models.ts'
import { Circuit } from '../routing/circuit.ts'
import { free, uniformPriceList } from './prices.ts'
import type { Provider } from './provider.ts'

/** Name and id of the provider that is always there. No other may be called so. */
export const builtinProviderName = 'portico'

const noLimitMs = 0x7fff_ffff

/** The provider that answers inside this process: its models are free of charge. */
export function createBuiltinProvider(): Provider {
  const circuit = new Circuit()
  const models = builtinModelNames.map((name) => Object.freeze({ name, sends: name }))
  return Object.freeze({
    id: builtinProviderName,
    workspaceId: '',
    name: builtinProviderName,
    kind: 'builtin',
    // Never dialled; the reserved top-level domain keeps it from being anything if it were.
    baseUrl: toBaseUrl(new URL('http://portico.invalid')),
    credentials: Object.freeze([
      Object.freeze({ id: '', label: '', secret: null, circuit: new Circuit(), endpoint: circuit }),
    ]),
    headers: [],
    models: Object.freeze(models),
    enabled: true,
    weight: 1,
    priority: 0,
    prices: uniformPriceList(free),
    timeouts: Object.freeze({
      connectMs: noLimitMs,
      firstByteMs: noLimitMs,
      idleMs: noLimitMs,
      totalMs: noLimitMs,
    }),
    options: Object.freeze({
      injectUsage: true,
      forwardOrganization: true,
      keepAliveComments: true,
      apiVersion: null,
    }),
    allowPrivate: false,
    createdAt: 0,
    updatedAt: 0,
    health: { circuit, turn: 0 },
  })
}
