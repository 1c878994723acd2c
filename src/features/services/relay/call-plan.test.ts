import { expect, test } from 'vitest'
import {
  plainCaller,
  plainProfile,
  plainService,
  publishedCatalogue,
} from '../../../../test/support/plain-service.ts'
import { rpcCodes } from '../wire/rpc-error.ts'
import { makeRequest, paramsOf, type RpcRequest } from '../wire/rpc-message.ts'
import { planCall, type PlanBasis } from './call-plan.ts'

const annotated = (annotations: Record<string, boolean>) =>
  JSON.stringify({ name: 't', annotations })

const catalogue = publishedCatalogue({
  tools: [
    { name: 'read', upstreamName: 'fs_read', json: annotated({ readOnlyHint: true }) },
    { name: 'write', json: '{"name":"write"}' },
  ],
  prompts: [{ name: 'hello', upstreamName: 'greet', json: '{"name":"hello"}' }],
})

const renaming = plainService({ filter: { tools: { rename: { fs_read: 'read' } } } })

function plan(request: RpcRequest, basis: Partial<PlanBasis> = {}) {
  return planCall(
    {
      service: plainService(),
      profile: plainProfile(),
      catalogue,
      isQuarantined: () => false,
      ...basis,
    },
    request,
  )
}

const toolCall = (name: string, args: Record<string, unknown> = {}) =>
  makeRequest('1', 'tools/call', { name, arguments: args })

function sent(request: RpcRequest, basis: Partial<PlanBasis> = {}) {
  return paramsOf(plan(request, basis).toServer({ request, requestId: 'r' }).request)
}

test('what a client calls by a published name goes to the server by its own name', () => {
  const request = toolCall('read', { path: 'a' })
  expect(plan(request)).toMatchObject({ asked: 'read', used: 'fs_read', asks: true })
  expect(sent(request)).toEqual({ name: 'fs_read', arguments: { path: 'a' } })
  expect(sent(makeRequest('1', 'prompts/get', { name: 'hello' }))).toEqual({ name: 'greet' })
})

test('a call of what is not renamed goes on byte for byte', () => {
  const request = toolCall('write')
  const { request: passed } = plan(request).toServer({ request, requestId: 'r' })
  expect(passed.bytes).toBe(request.bytes)
})

test('the reference of a completion is renamed as the prompt is, and any other stays', () => {
  const complete = (ref: unknown) =>
    sent(makeRequest('1', 'completion/complete', { ref, argument: {} }))['ref']
  expect(complete({ type: 'ref/prompt', name: 'hello' })).toEqual({
    type: 'ref/prompt',
    name: 'greet',
  })
  expect(complete({ type: 'ref/prompt', name: 'other' })).toHaveProperty('name', 'other')
  expect(complete({ type: 'ref/resource', uri: 'a:{b}' })).toHaveProperty('uri', 'a:{b}')
  expect(complete('odd')).toBe('odd')
})

test('where a filter names, hides or renames anything, what is not published is not there', () => {
  const unknown = expect.objectContaining({ code: rpcCodes.invalidParams })
  const hiding = plainService({ filter: { tools: { hide: ['secret'] } } })
  const showing = plainService({ filter: { tools: { show: ['write'] } } })
  for (const service of [hiding, showing, renaming, plainService({ pin: true })]) {
    expect(() => plan(toolCall('fs_read'), { service })).toThrow(unknown)
  }
  const prompts = plainService({ filter: { prompts: { hide: ['secret'] } } })
  const request = makeRequest('1', 'prompts/get', { name: 'secret' })
  expect(() => plan(request, { service: prompts })).toThrow(unknown)
  expect(plan(toolCall('new'), { service: prompts }).used).toBe('new')
})

test('without a filter, and before a server was ever reached, it decides itself about a name', () => {
  expect(plan(toolCall('new'))).toMatchObject({ asked: 'new', used: 'new' })
  const never = plan(toolCall('new'), { service: renaming, catalogue: undefined })
  expect(never).toMatchObject({ used: 'new', serverEra: undefined })
  expect(never.isRepeatable()).toBe(false)
})

test('what is in quarantine is not called', () => {
  const isQuarantined = (kind: string, name: string) => kind === 'tools' && name === 'changed'
  expect(() => plan(toolCall('changed'), { isQuarantined })).toThrow(
    expect.objectContaining({ code: 'tool_quarantined' }),
  )
})

test('a tool that the key may not call is refused by its published name, whether or not there is one', () => {
  const caller = plainCaller({ allowsTool: (_service, name) => name === 'write' })
  const profile = plainProfile({ caller })
  const refused = expect.objectContaining({ code: 'service_not_allowed' })
  expect(() => plan(toolCall('read'), { profile })).toThrow(refused)
  expect(() => plan(toolCall('none'), { profile, catalogue: undefined })).toThrow(refused)
  expect(plan(toolCall('write'), { profile }).used).toBe('write')
  expect(plan(makeRequest('1', 'prompts/get', { name: 'hello' }), { profile }).used).toBe('greet')
})

test('a server may ask about tools, prompts and resources, and about nothing else', () => {
  const asks = (method: string) => plan(makeRequest('1', method, { uri: 'a:1' })).asks
  expect(['tools/call', 'prompts/get', 'resources/read'].map(asks)).toEqual([true, true, true])
  expect(['completion/complete', 'tasks/get'].map(asks)).toEqual([false, false])
  expect(plan(makeRequest('1', 'resources/read', { uri: 'a:1' })).asked).toBe('a:1')
  expect(plan(makeRequest('1', 'tasks/get')).asked).toBeNull()
})

test('a call may be made twice where it is no tool, or one that says so', () => {
  const isRepeatable = (annotations: Record<string, boolean>) => {
    const tools = [{ name: 't', json: annotated(annotations) }]
    return plan(toolCall('t'), { catalogue: publishedCatalogue({ tools }) }).isRepeatable()
  }
  expect(isRepeatable({ readOnlyHint: true })).toBe(true)
  expect(isRepeatable({ idempotentHint: true })).toBe(true)
  expect(isRepeatable({ readOnlyHint: false })).toBe(false)
  expect(isRepeatable({})).toBe(false)
  expect(plan(makeRequest('1', 'resources/read', { uri: 'a:1' })).isRepeatable()).toBe(true)
})

test('the parameter headers of a legacy client are made for it, those of a modern one passed on', () => {
  const json = JSON.stringify({
    name: 't',
    inputSchema: { properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } },
  })
  const withHeader = publishedCatalogue({ tools: [{ name: 't', json }] })
  const request = toolCall('t', { region: 'eu' })
  const headers = (era: 'legacy' | 'modern') =>
    plan(request, { catalogue: withHeader, profile: plainProfile({ era }) }).toServer({
      request,
      requestId: 'r',
      paramHeaders: ['Mcp-Param-Own', '1'],
    }).paramHeaders
  expect(headers('legacy')).toEqual(['Mcp-Param-Region', 'eu'])
  expect(headers('modern')).toEqual(['Mcp-Param-Own', '1'])
})

test('calls that differ in an integer that no number holds do not share a cached result', () => {
  const service = plainService({ cacheTtlMs: 1000 })
  const key = (args: string) => {
    const text = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":${args}}}`
    const request = { ...toolCall('read'), bytes: Buffer.from(text) }
    return plan(request, { service }).cacheKey
  }
  expect(key('{"n":12345678901234567890}')).toBeDefined()
  expect(key('{"n":12345678901234567890}')).not.toBe(key('{"n":12345678901234567891}'))
})
