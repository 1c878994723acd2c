import { expect, test } from 'vitest'
import { plainProfile, plainService } from '../../../../test/support/plain-service.ts'
import { canAsk, introduce, introducePlainly } from './told-capabilities.ts'

const portico = { name: 'portico', version: '1' }
const capabilities = {
  elicitation: { form: { strict: true }, url: {}, other: {} },
  sampling: { tools: {} },
  roots: { listChanged: true },
  experimental: { x: {} },
}

test('a shared server is told only what concerns one call, under our name', () => {
  const { hello, key } = introduce(plainService(), plainProfile({ capabilities }), portico)
  expect(hello).toEqual({
    capabilities: { elicitation: { form: {}, url: {} }, roots: {}, sampling: { tools: {} } },
    clientInfo: portico,
  })
  expect(key).not.toBe('')
})

test('clients that can do the same have the same key, whatever else they say', () => {
  const key = (own: Record<string, unknown>) =>
    introduce(plainService(), plainProfile({ capabilities: own }), portico).key
  expect(key({ roots: {}, elicitation: { form: { a: 1 } } })).toBe(
    key({ elicitation: { form: {}, more: 1 }, roots: { listChanged: true }, experimental: {} }),
  )
  expect(key({ elicitation: {} })).not.toBe(key({ elicitation: { url: {} } }))
  expect(key({ experimental: {} })).toBe('')
})

test('a server of one session is told what its legacy client said, word by word', () => {
  const service = plainService({ isolation: 'per-session' })
  const { hello, key } = introduce(service, plainProfile({ capabilities }), portico)
  expect(hello).toEqual({ capabilities, clientInfo: { name: 'client', version: '1' } })
  expect(key).toBe('own')
})

test('without a session, or of a modern client, that server is told only what can be passed on', () => {
  const service = plainService({ isolation: 'per-session' })
  for (const profile of [
    plainProfile({ capabilities, sessionId: undefined }),
    plainProfile({ capabilities, era: 'modern' }),
  ]) {
    expect(introduce(service, profile, portico).hello.clientInfo).toEqual(portico)
  }
})

test('a server that is not interactive is told of a client that can be asked nothing', () => {
  const service = plainService({ interactive: false, isolation: 'per-session' })
  const introduction = introduce(service, plainProfile({ capabilities }), portico)
  expect(introduction).toEqual(introducePlainly(portico))
  expect(introduction).toEqual({ hello: { capabilities: {}, clientInfo: portico }, key: '' })
})

test('a server may ask where it was told of any capability to answer', () => {
  const told = (own: Record<string, unknown>) =>
    canAsk(introduce(plainService(), plainProfile({ capabilities: own }), portico))
  expect(told({ elicitation: {} })).toBe(true)
  expect(told({ sampling: {} })).toBe(true)
  expect(told({ roots: {} })).toBe(true)
  expect(told({ experimental: {} })).toBe(false)
})
