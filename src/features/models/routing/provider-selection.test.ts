import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { testAlias, testProvider } from '../../../../test/support/provider.ts'
import type { Inbound } from '../../../net/exchange.ts'
import type { Caller } from '../caller.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import { selectTargets } from './provider-selection.ts'
import type { Provider } from '../catalogue/provider.ts'
import { createResolver, resolveAt } from '../catalogue/resolve.ts'

const acme = testProvider('acme', { models: ['gpt'] })
const other = testProvider('other', { models: ['gpt', 'mini'], priority: 1 })

/** Selects as the reader of a request does, and gives `provider:model` of each target. */
function select(
  selection: { model?: string; header?: string; holder?: string },
  {
    allowed,
    providers = [acme, other],
    ...key
  }: { allowed?: string[]; providers?: Provider[]; defaultProviderId?: string } = {},
): string[] {
  const aliases = [testAlias('smart', [{ providerId: 'other', model: 'gpt' }])]
  const resolver = createResolver({ providers, aliases, anyProviderFallback: false })
  const byId = new Map(providers.map((provider) => [provider.id, provider]))
  const catalogue = {
    resolve: (_workspace: string, name: string) => resolver.resolve(name),
    resolveAt: (_workspace: string, provider: Provider, name: string) =>
      resolveAt(resolver, provider, name),
    provider: (_workspace: string, id: string) => byId.get(id),
    workspace: () => ({ providers: byId }),
  } as unknown as Catalogue
  const caller = {
    workspaceId: 'default',
    defaultProviderId: null,
    allowsModel: (name: string) => allowed?.includes(name) ?? true,
    ...key,
  } as unknown as Caller
  const headers = selection.header === undefined ? {} : { 'x-gateway-provider': selection.header }
  const inbound = { req: { headers } as unknown as IncomingMessage } as Inbound
  const { model, holder } = selection
  const { targets } = selectTargets(catalogue, { inbound, caller, model, holder })
  return targets.map((target) => `${target.provider.id}:${target.model}`)
}

const refusal = (code: string) => expect.objectContaining({ code }) as Error

test('a model goes where it is listed, or where the header says', () => {
  expect(select({ model: 'gpt' })).toEqual(['acme:gpt', 'other:gpt'])
  expect(select({ model: 'gpt', header: 'other' })).toEqual(['other:gpt'])
})

test('the allow-list is asked about the name that was sent, not about what it stands for', () => {
  expect(select({ model: 'smart' }, { allowed: ['smart'] })).toEqual(['other:gpt'])
  expect(() => select({ model: 'smart' }, { allowed: ['gpt'] })).toThrow(
    refusal('model_not_allowed'),
  )
  expect(() => select({ model: 'gpt' }, { allowed: ['smart'] })).toThrow(
    refusal('model_not_allowed'),
  )
})

test('naming a provider does not get round the allow-list', () => {
  expect(() => select({ model: 'mini', header: 'other' }, { allowed: ['gpt'] })).toThrow(
    refusal('model_not_allowed'),
  )
  expect(() => select({ header: 'other' }, { allowed: ['gpt'] })).toThrow(
    refusal('model_not_allowed'),
  )
})

test('without a model: the header, then the holder of the object, then the default, then the only one', () => {
  const defaultProviderId = 'acme'
  expect(select({ header: 'acme', holder: 'other' })).toEqual(['acme:'])
  expect(select({ holder: 'other' }, { defaultProviderId })).toEqual(['other:'])
  expect(select({}, { defaultProviderId: 'other' })).toEqual(['other:'])
  expect(select({ holder: 'gone' }, { defaultProviderId })).toEqual(['acme:'])
  expect(select({}, { providers: [acme] })).toEqual(['acme:'])
  expect(() => select({})).toThrow(refusal('provider_not_found'))
})

test('a provider that does not exist, and a model that does not', () => {
  expect(() => select({ model: 'gpt', header: 'none' })).toThrow(refusal('provider_not_found'))
  expect(() => select({ model: 'none' })).toThrow(refusal('model_not_found'))
})

test.each([
  ['too long', 'x'.repeat(513)],
  ['half a character', '\udc00'],
])('a name that is %s is no name', (_what, model) => {
  expect(() => select({ model })).toThrow(refusal('invalid_request'))
})
