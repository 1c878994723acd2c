import fc from 'fast-check'
import { expect, test } from 'vitest'
import { testAlias, testProvider } from '../../../../test/support/provider.ts'
import { isWildcard } from './model-names.ts'
import type { Alias, Provider } from './provider.ts'
import { createResolver, resolveAt } from './resolve.ts'
import type { Resolution, ResolverSources } from './resolve.ts'

function resolver(sources: Partial<ResolverSources>) {
  return createResolver({ providers: [], aliases: [], anyProviderFallback: false, ...sources })
}

/** `provider:model` of each target, in order. */
function targets(resolution: Resolution | undefined): string[] | undefined {
  return resolution?.targets.map(({ provider, model }) => `${provider.id}:${model}`)
}

const a = testProvider('a', { models: ['gpt', 'fast@gpt-mini', 'meta/*'] })
const b = testProvider('b', { models: ['gpt', '*'], priority: -1, weight: 3 })
const off = testProvider('off', { models: ['gpt', 'only-here'], enabled: false })

test('a model goes to every enabled provider that lists it, lowest priority first', () => {
  const resolution = resolver({ providers: [a, b, off] }).resolve('gpt')
  expect(targets(resolution)).toEqual(['b:gpt', 'a:gpt'])
  expect(resolution?.targets[0]).toMatchObject({ priority: -1, weight: 3 })
  expect(resolution?.via).toBe('model')
})

test('both sides of alias@model are selectable and send the model', () => {
  const names = resolver({ providers: [a] })
  expect(targets(names.resolve('fast'))).toEqual(['a:gpt-mini'])
  expect(targets(names.resolve('gpt-mini'))).toEqual(['a:gpt-mini'])
})

test('an exact alias goes before an exact model, with weights and priorities of its own', () => {
  const aliases = [testAlias('gpt', [{ providerId: 'b', model: 'other' }])]
  const resolution = resolver({ providers: [a, b], aliases }).resolve('gpt')
  expect(targets(resolution)).toEqual(['b:other'])
  expect(resolution?.targets[0]).toMatchObject({ priority: 0, weight: 1 })
})

test('the longest wildcard wins, whichever side it is on', () => {
  const aliases = [testAlias('meta/llama-*', [{ providerId: 'b', model: 'llama/*' }])]
  const names = resolver({ providers: [a, b], aliases })
  expect(targets(names.resolve('meta/llama-3'))).toEqual(['b:llama/3'])
  expect(targets(names.resolve('meta/other'))).toEqual(['a:meta/other'])
  expect(targets(names.resolve('anything'))).toEqual(['b:anything'])
})

test('of two wildcards of the same prefix the alias wins', () => {
  const aliases = [testAlias('meta/*', [{ providerId: 'b', model: 'x-*' }])]
  expect(targets(resolver({ providers: [a, b], aliases }).resolve('meta/3'))).toEqual(['b:x-3'])
})

test('an alias that leads to nothing enabled resolves to nothing, and never to what is below it', () => {
  const aliases = [
    testAlias('gpt', [{ providerId: 'off', model: 'gpt' }]),
    testAlias('meta/*', [{ providerId: 'gone', model: '*' }]),
  ]
  const names = resolver({
    providers: [a, b, off],
    aliases,
    anyProviderFallback: true,
  })
  expect(names.resolve('gpt')).toBeUndefined()
  expect(names.exact.has('gpt')).toBe(false)
  expect(names.resolve('meta/3')).toBeUndefined()
})

test('a disabled alias is as good as none', () => {
  const aliases = [testAlias('gpt', [{ providerId: 'b', model: 'other' }], false)]
  expect(targets(resolver({ providers: [a], aliases }).resolve('gpt'))).toEqual(['a:gpt'])
})

test('what nobody lists is unknown, unless any provider may be tried', () => {
  const builtin = testProvider('portico', { kind: 'builtin', models: ['portico/echo'] })
  const providers = [a, off, builtin]
  expect(resolver({ providers }).resolve('only-here')).toBeUndefined()
  const resolution = resolver({ providers, anyProviderFallback: true }).resolve('only-here')
  expect(targets(resolution)).toEqual(['a:only-here'])
  expect(resolution?.via).toBe('any-provider')
})

test('a provider with an empty list accepts nothing of its own', () => {
  expect(resolver({ providers: [testProvider('c')] }).resolve('gpt')).toBeUndefined()
})

test('a named provider gets what the name stands for there, or the name itself', () => {
  const all = resolver({ providers: [a, b] })
  expect(targets(resolveAt(all, a, 'fast'))).toEqual(['a:gpt-mini'])
  expect(targets(resolveAt(all, b, 'gpt'))).toEqual(['b:gpt'])
  expect(targets(resolveAt(all, a, 'unlisted'))).toEqual(['a:unlisted'])
})

test('names like __proto__ and constructor are names', () => {
  const provider = testProvider('c', { models: ['__proto__'] })
  const names = resolver({ providers: [provider] })
  expect(targets(names.resolve('__proto__'))).toEqual(['c:__proto__'])
  expect(names.resolve('constructor')).toBeUndefined()
})

test('a flood of names that a wildcard matches is answered, and does not grow the cache without bound', () => {
  const names = resolver({ providers: [b] })
  for (let index = 0; index < 5000; index += 1) names.resolve(`name-${index}`)
  expect(targets(names.resolve('name-0'))).toEqual(['b:name-0'])
  expect(names.resolve('name-4999')).toBe(names.resolve('name-4999'))
})

const modelName = fc
  .string({ minLength: 1, maxLength: 3, unit: fc.constantFrom('x', 'y') })
  .chain((text) => fc.constantFrom(text, `${text}*`, '*'))
const providers = fc
  .array(fc.tuple(fc.array(modelName, { maxLength: 4 }), fc.boolean()), { maxLength: 3 })
  .map((list) => list.map(([models, enabled], id) => testProvider(`p${id}`, { models, enabled })))
const aliases = fc
  .uniqueArray(fc.tuple(modelName, fc.nat(3), fc.boolean()), { maxLength: 4, selector: ([n]) => n })
  .map((list) =>
    list.map(([name, provider, enabled]) =>
      testAlias(name, [{ providerId: `p${provider}`, model: 'm' }], enabled),
    ),
  )
const asked = fc.string({ minLength: 1, maxLength: 4, unit: fc.constantFrom('x', 'y') })

/** The rules in their plainest form: every rule that could match, strongest first. */
function expected(sources: { providers: Provider[]; aliases: Alias[] }, name: string): string[] {
  const enabled = sources.providers.filter((provider) => provider.enabled)
  const rules = [
    ...sources.aliases
      .filter((alias) => alias.enabled)
      .map((alias) => ({
        pattern: alias.name,
        strength: 1,
        providers: enabled.filter(({ id }) => id === alias.targets[0]?.providerId),
      })),
    ...enabled.flatMap((provider) =>
      provider.models.map(({ name: pattern }) => ({ pattern, strength: 0, providers: [provider] })),
    ),
  ]
  const rank = ({ pattern, strength }: (typeof rules)[number]): number =>
    isWildcard(pattern) ? pattern.length * 2 + strength : 1000 + strength
  const matching = rules.filter(({ pattern }) =>
    isWildcard(pattern) ? name.startsWith(pattern.slice(0, -1)) : pattern === name,
  )
  const best = Math.max(...matching.map(rank))
  const winners = matching.filter((rule) => rank(rule) === best)
  return [...new Set(winners.flatMap((rule) => rule.providers.map(({ id }) => id)))]
}

test('the order of the rules holds for whatever is configured', () => {
  fc.assert(
    fc.property(fc.record({ providers, aliases }), asked, (sources, name) => {
      const resolution = resolver(sources).resolve(name)
      const found = [...new Set(resolution?.targets.map(({ provider }) => provider.id) ?? [])]
      expect(found.toSorted()).toEqual(expected(sources, name).toSorted())
    }),
    { numRuns: 500 },
  )
})
