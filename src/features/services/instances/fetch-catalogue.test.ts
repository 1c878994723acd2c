import { expect, test } from 'vitest'
import { createFakeConnection, type SentCall } from '../../../../test/support/fake-connection.ts'
import { AppError } from '../../../lib/errors.ts'
import { metaKeys } from '../wire/meta-keys.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import { ask, fetchCatalogue } from './fetch-catalogue.ts'

const patient = new AbortController().signal

/** A server with tools, which answers each page by its cursor. */
function serving(onPage: (call: SentCall, cursor: unknown) => void) {
  return createFakeConnection({
    capabilities: { tools: {} },
    onRequest: (call) => onPage(call, call.params['cursor']),
  })
}

test('every page of a list is read', async () => {
  const connection = serving((call, cursor) => {
    const page = cursor === undefined ? 1 : Number(cursor)
    const next = page < 3 ? { nextCursor: String(page + 1) } : {}
    call.answer({ tools: [{ name: `t${page}` }], ...next })
  })
  const { lists, hello } = await fetchCatalogue(connection, patient)
  expect(lists.tools.map(({ name }) => name)).toEqual(['t1', 't2', 't3'])
  expect(hello).toBe(connection.hello)
})

test('a cursor that does not advance ends its list', async () => {
  const connection = serving((call) => call.answer({ tools: [{ name: 't' }], nextCursor: 'same' }))
  const { lists } = await fetchCatalogue(connection, patient)
  expect(lists.tools).toHaveLength(2)
  expect(connection.sent).toHaveLength(2)
})

test('cursors that go round in a circle end their list', async () => {
  const connection = serving((call, cursor) =>
    call.answer({ tools: [{ name: 't' }], nextCursor: cursor === 'a' ? 'b' : 'a' }),
  )
  const { lists } = await fetchCatalogue(connection, patient)
  expect(lists.tools).toHaveLength(3)
})

test('a list that the server refuses is empty, and the others are read all the same', async () => {
  const connection = createFakeConnection({
    capabilities: { tools: {}, prompts: {}, resources: {} },
    onRequest(call) {
      if (call.method === 'resources/templates/list') {
        call.refuse(new RpcError(rpcCodes.methodNotFound, 'no'))
      } else if (call.method === 'prompts/list') call.answer({ prompts: [{ name: 'p' }] })
      else if (call.method === 'resources/list') call.answer({ resources: [{ uri: 'a:1' }] })
      else call.answer({ tools: 'none' })
    },
  })
  const { lists } = await fetchCatalogue(connection, patient)
  expect(lists).toEqual({
    tools: [],
    prompts: [{ name: 'p', json: '{"name":"p"}' }],
    resources: [{ name: 'a:1', json: '{"uri":"a:1"}' }],
    templates: [],
  })
})

test('what the server does not say it has is not asked for', async () => {
  const connection = createFakeConnection()
  await fetchCatalogue(connection, patient)
  expect(connection.methods).toEqual([])
})

test('an entry is kept byte for byte, with integers that no number holds', async () => {
  const tool = '{ "name":"t\\u0031" ,"x":12345678901234567890, "y":1.0,"z":"\\/é" }'
  const connection = serving((call) => call.answer(`{"tools": [ ${tool} , {"name":7}, 3, {}]}`))
  const { lists } = await fetchCatalogue(connection, patient)
  expect(lists.tools).toEqual([{ name: 't1', json: tool }])
})

test('a modern server is asked with the envelope, a legacy one without', async () => {
  const modern = createFakeConnection({ era: 'modern', onRequest: (call) => call.answer({}) })
  const legacy = createFakeConnection({ onRequest: (call) => call.answer({}) })
  await ask(modern, { method: 'tools/list', params: { cursor: 'a' } }, patient)
  await ask(legacy, { method: 'tools/list', params: { cursor: 'a' } }, patient)
  expect(modern.last.params).toEqual({
    cursor: 'a',
    _meta: { [metaKeys.protocolVersion]: '2026-07-28', [metaKeys.clientCapabilities]: {} },
  })
  expect(legacy.last.params).toEqual({ cursor: 'a' })
})

test('a server that does not answer in time is given up', async () => {
  const connection = createFakeConnection({ capabilities: { tools: {} } })
  const impatience = new AbortController()
  const fetched = fetchCatalogue(connection, impatience.signal)
  impatience.abort()
  await expect(fetched).rejects.toMatchObject({ code: 'upstream_timeout' })
  expect(connection.last.isCancelled).toBe(true)
  await expect(fetchCatalogue(connection, impatience.signal)).rejects.toMatchObject({
    code: 'upstream_timeout',
  })
})

test('a connection that fails fails the reading', async () => {
  const connection = serving((call) => call.sink.onFailure(new AppError('upstream_failed', 'gone')))
  await expect(fetchCatalogue(connection, patient)).rejects.toThrow('gone')
})
