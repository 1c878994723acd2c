import fc from 'fast-check'
import { expect, test } from 'vitest'
import { plainCaller, publishedCatalogue } from '../../../../test/support/plain-service.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import { kindsByMethod, listResult, type ListQuestion } from './list-answers.ts'

const question: ListQuestion = {
  kind: 'tools',
  era: 'legacy',
  service: 'files',
  caller: plainCaller(),
  cursor: undefined,
  ttlMs: 5,
}

function tool(name: string, more: Record<string, unknown> = {}) {
  return { name, json: JSON.stringify({ name, ...more }) }
}

interface Page {
  readonly tools: readonly Record<string, unknown>[]
  readonly nextCursor?: string
}

function list(catalogue: ReturnType<typeof publishedCatalogue>, own: Partial<ListQuestion> = {}) {
  return JSON.parse(listResult(catalogue, { ...question, ...own })) as Page
}

const many = publishedCatalogue({
  tools: Array.from({ length: 2500 }, (_, index) => tool(`t${index}`)),
})

test('a long list comes in pages, and the last one has no cursor', () => {
  const seen: unknown[] = []
  const lengths: number[] = []
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const page = list(many, { cursor })
    lengths.push(page.tools.length)
    seen.push(...page.tools.map(({ name }) => name))
    cursor = page.nextCursor
  }
  expect(lengths).toEqual([1000, 1000, 500])
  expect(new Set(seen).size).toBe(2500)
})

test('a cursor beyond the end of a list that became shorter ends it', () => {
  const { nextCursor } = list(many)
  const page = list(publishedCatalogue({ tools: [tool('t')] }), { cursor: nextCursor })
  expect(page).toEqual({ tools: [] })
})

test('no cursor and null are the beginning, anything that is none of ours is refused', () => {
  expect(list(many, { cursor: null })).toEqual(list(many))
  const given = list(many).nextCursor
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.base64String(), fc.integer(), fc.object()), (cursor) => {
      fc.pre(cursor !== given)
      expect(() => list(many, { cursor })).toThrow(RpcError)
    }),
  )
  const forged = (text: string) => Buffer.from(text).toString('base64url')
  for (const text of [
    'portico:0',
    'portico:-1',
    'portico:1.5',
    'portico:1e3',
    'portico:',
    '1000',
  ]) {
    const code = expect.objectContaining({ code: rpcCodes.invalidParams })
    expect(() => list(many, { cursor: forged(text) })).toThrow(code)
  }
})

test('for any place in a list, its cursor leads to what follows', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2499 }), (at) => {
      const cursor = Buffer.from(`portico:${at}`).toString('base64url')
      expect(list(many, { cursor }).tools[0]).toEqual({ name: `t${at}` })
    }),
  )
})

test('tools that the key may not call are not listed, and all other lists are complete', () => {
  const caller = plainCaller({
    allowsTool: (service, name) => service === 'files' && name === 'read',
  })
  const catalogue = publishedCatalogue({
    tools: [tool('read'), tool('write')],
    prompts: [tool('write')],
  })
  expect(list(catalogue, { caller }).tools).toEqual([{ name: 'read' }])
  expect(list(catalogue, { caller, service: 'other' }).tools).toEqual([])
  expect(list(catalogue, { caller, kind: 'prompts' })).toEqual({ prompts: [{ name: 'write' }] })
})

test('entries come byte for byte, with integers that no number holds', () => {
  const json = '{ "name":"t" ,"x":12345678901234567890 }'
  const catalogue = publishedCatalogue({ tools: [{ name: 't', json }] })
  expect(listResult(catalogue, question)).toBe(`{"tools":[${json}]}`)
})

test('a modern client is told how long it may keep the list', () => {
  const catalogue = publishedCatalogue({ templates: [] })
  expect(list(catalogue, { kind: 'templates', era: 'modern' })).toEqual({
    resourceTemplates: [],
    resultType: 'complete',
    ttlMs: 5,
    cacheScope: 'private',
  })
})

test('a legacy client does not see output schemas that are no objects, other bytes stay', () => {
  const hello = { era: 'modern' } as const
  const tools = [
    tool('object', { outputSchema: { type: 'object' } }),
    tool('array', { outputSchema: { type: 'array' }, title: 'A' }),
    tool('none'),
  ]
  const catalogue = publishedCatalogue({ tools }, hello)
  expect(list(catalogue).tools).toEqual([
    { name: 'object', outputSchema: { type: 'object' } },
    { name: 'array', title: 'A' },
    { name: 'none' },
  ])
  expect(list(catalogue, { era: 'modern' }).tools[1]).toHaveProperty('outputSchema')
})

test('a tool whose header annotations cannot be used is not offered', () => {
  const inputSchema = { properties: { a: { type: 'object', 'x-mcp-header': 'A' } } }
  const tools = [tool('bad', { inputSchema }), tool('good')]
  const names = (era: 'legacy' | 'modern') =>
    list(publishedCatalogue({ tools }, { era })).tools.map(({ name }) => name)
  expect(names('modern')).toEqual(['good'])
  expect(names('legacy')).toEqual(['bad', 'good'])
})

test('each list has its method', () => {
  expect([...kindsByMethod]).toEqual([
    ['tools/list', 'tools'],
    ['prompts/list', 'prompts'],
    ['resources/list', 'resources'],
    ['resources/templates/list', 'templates'],
  ])
})
