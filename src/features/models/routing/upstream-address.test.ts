import { expect, test } from 'vitest'
import { testProvider } from '../../../../test/support/provider.ts'
import type { Provider } from '../catalogue/provider.ts'
import { surfaceOf } from '../surfaces.ts'
import { providerHeaders, upstreamPath } from './upstream-address.ts'

const chat = surfaceOf('POST', 'chat/completions')
const messages = surfaceOf('POST', 'messages')

function headersOf(provider: Provider, headers: readonly string[] = [], surface = chat): string[] {
  return providerHeaders(provider, provider.credentials[0]!, { surface, headers })
}

function pathAt(fields: Partial<Omit<Provider, 'models'>>): string {
  const request = { rest: 'chat/completions', search: '?a=b', model: 'gpt 4' }
  return upstreamPath(testProvider('p', fields), request)
}

const at = (basePath: string) => ({
  baseUrl: { origin: 'https://api.example', basePath, host: 'api.example', port: 443 },
})
const azure = {
  kind: 'azure',
  options: { ...testProvider('p').options, apiVersion: '2024-10-21' },
} as const

test.each([
  ['an OpenAI-like provider', at('/v1'), '/v1/chat/completions?a=b'],
  ['a base without a path', at(''), '/chat/completions?a=b'],
  ['Anthropic without its version', { ...at(''), kind: 'anthropic' }, '/v1/chat/completions?a=b'],
  ['Anthropic with its version', { ...at('/v1'), kind: 'anthropic' }, '/v1/chat/completions?a=b'],
  [
    'Azure by deployment',
    { ...at('/openai'), ...azure },
    '/openai/deployments/gpt%204/chat/completions?a=b&api-version=2024-10-21',
  ],
] as const)('the path at %s', (_what, fields, path) => {
  expect(pathAt(fields)).toBe(path)
})

test('each kind gets its credential in its own header', () => {
  const keyed = (kind: Provider['kind']) => testProvider('p', { kind, keys: ['sk-1'] })
  expect(headersOf(keyed('openai'))).toEqual(['authorization', 'Bearer sk-1'])
  expect(headersOf(keyed('azure'))).toEqual(['api-key', 'sk-1'])
  expect(headersOf(keyed('anthropic'), [], messages)).toEqual([
    'anthropic-version',
    '2023-06-01',
    'x-api-key',
    'sk-1',
  ])
  expect(headersOf(keyed('anthropic'))).toEqual(['authorization', 'Bearer sk-1'])
  expect(headersOf(testProvider('p'))).toEqual([])
})

test('the headers of a provider take the place of the client’s, however often and however written those came', () => {
  const provider = testProvider('p', { headers: [['x-team', 'ours']] })
  const sent = ['X-Team', 'theirs', 'accept', '*/*', 'x-team', 'again']
  expect(headersOf(provider, sent)).toEqual(['accept', '*/*', 'x-team', 'ours'])
})

test('a provider with an authorization of its own sends no second one', () => {
  const provider = testProvider('p', { keys: ['sk-1'], headers: [['authorization', 'Basic x']] })
  expect(headersOf(provider)).toEqual(['authorization', 'Basic x'])
})

test('the account that a client names reaches only providers that are to see it', () => {
  const sent = ['OpenAI-Organization', 'org', 'openai-project', 'proj', 'openai-beta', 'x']
  const options = { ...testProvider('p').options, forwardOrganization: false }
  expect(headersOf(testProvider('p'), sent)).toEqual(sent)
  expect(headersOf(testProvider('p', { options }), sent)).toEqual(['openai-beta', 'x'])
})
