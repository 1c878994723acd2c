import { expect, test, vi } from 'vitest'
import { createTestClock } from '../../../../test/support/clock.ts'
import { logCall } from '../../../../test/support/call-log.ts'
import { createFakeConnection } from '../../../../test/support/fake-connection.ts'
import { createSecretBox } from '../../../store/secret-box.ts'
import { rpcCodes } from '../wire/rpc-error.ts'
import { makeRequest } from '../wire/rpc-message.ts'
import { ParkedCall } from './parked-call.ts'
import { createParkedCalls } from './parked-calls.ts'

const invalid = expect.objectContaining({ code: rpcCodes.invalidParams })
const request = makeRequest('1', 'tools/call', {
  name: 't',
  arguments: { a: 1, b: [{ c: 2, d: 3 }] },
})
const identity = { keyId: 'key-1', serviceId: 'svc-1', request }

function createCall() {
  const connection = createFakeConnection()
  const first = { request, sink: logCall(), capabilities: {} }
  const call = new ParkedCall(
    first,
    () => 'state',
    () => undefined,
  )
  call.begin(connection.request(request, call))
  return { call, connection }
}

function openPlace({ parkedMs = 60_000, parkedPerKeyMax = 2 } = {}) {
  const clock = createTestClock()
  const secretBox = createSecretBox([new Uint8Array(32).fill(7)])
  const config = () => ({ parkedMs, parkedPerKeyMax })
  return { clock, secretBox, parked: createParkedCalls({ secretBox, clock, config }) }
}

test('a call is found again by its state, whatever the round adds and in whatever order', async () => {
  const { parked } = openPlace()
  await using _ = parked
  const { call } = createCall()
  const state = parked.park(call, identity)
  expect(parked.size).toBe(1)
  const again = makeRequest('2', 'tools/call', {
    requestState: state,
    inputResponses: { a: {} },
    arguments: { b: [{ d: 3, c: 2 }], a: 1 },
    _meta: { progressToken: 1 },
    name: 't',
  })
  expect(parked.resume(state, { ...identity, request: again })).toBe(call)
  expect(parked.size).toBe(0)
})

test('a state that was used up is refused', async () => {
  const { parked } = openPlace()
  await using _ = parked
  const state = parked.park(createCall().call, identity)
  parked.resume(state, identity)
  expect(() => parked.resume(state, identity)).toThrow(invalid)
})

test('a state that was altered, or is none of ours, is refused', async () => {
  const { parked } = openPlace()
  await using _ = parked
  const state = parked.park(createCall().call, identity)
  const other = openPlace()
  await using __ = other.parked
  const elsewhere = createSecretBox([new Uint8Array(32).fill(8)]).seal(
    '[]',
    'services/request-state',
  )
  for (const bad of [`${state.slice(0, -2)}AA`, '', 'x', 7, null, elsewhere]) {
    expect(() => parked.resume(bad, identity)).toThrow(invalid)
  }
  const misplaced = other.secretBox.seal('["",1]', 'services/other')
  expect(() => parked.resume(misplaced, identity)).toThrow(invalid)
  expect(parked.resume(state, identity)).toBeDefined()
})

test('a state of another key, service, method or of other arguments is refused, and stays good for its own', async () => {
  const { parked } = openPlace()
  await using _ = parked
  const state = parked.park(createCall().call, identity)
  const foreign = [
    { ...identity, keyId: 'key-2' },
    { ...identity, serviceId: 'svc-2' },
    { ...identity, request: makeRequest('1', 'prompts/get', { name: 't' }) },
    { ...identity, request: makeRequest('1', 'tools/call', { name: 't', arguments: { a: 2 } }) },
  ]
  for (const each of foreign) expect(() => parked.resume(state, each)).toThrow(invalid)
  expect(parked.resume(state, identity)).toBeDefined()
})

test('a state that has expired is refused', async () => {
  const { parked, clock } = openPlace()
  await using _ = parked
  const state = parked.park(createCall().call, identity)
  const sealed = parked.seal(identity)
  clock.advance(60_001)
  expect(() => parked.resume(state, identity)).toThrow(invalid)
  expect(() => parked.resume(sealed, identity)).toThrow(invalid)
})

test('a state of a call that is simply made again finds no call, and belongs to its own request', async () => {
  const { parked } = openPlace()
  await using _ = parked
  const state = parked.seal(identity)
  expect(parked.resume(state, identity)).toBeUndefined()
  expect(() => parked.resume(state, { ...identity, keyId: 'key-2' })).toThrow(invalid)
})

test('a key may have only so many calls that wait, and another key its own', async () => {
  const { parked } = openPlace()
  await using _ = parked
  const first = parked.park(createCall().call, identity)
  parked.park(createCall().call, identity)
  const tooMany = expect.objectContaining({ code: 'rate_limit_exceeded' })
  expect(() => parked.park(createCall().call, identity)).toThrow(tooMany)
  parked.park(createCall().call, { ...identity, keyId: 'key-2' })
  parked.resume(first, identity)
  parked.park(createCall().call, identity)
  expect(parked.size).toBe(3)
})

test('a call whose client does not come back in time is cancelled at its server', async () => {
  const { parked } = openPlace({ parkedMs: 20 })
  await using _ = parked
  const { call, connection } = createCall()
  const state = parked.park(call, identity)
  await vi.waitFor(() => expect(connection.last.isCancelled).toBe(true))
  expect(parked.size).toBe(0)
  expect(() => parked.resume(state, identity)).toThrow(invalid)
})

test('disposal gives up every call that waits', async () => {
  const { parked } = openPlace()
  const calls = [createCall(), createCall()]
  for (const { call } of calls) parked.park(call, identity)
  await parked[Symbol.asyncDispose]()
  expect(calls.map(({ connection }) => connection.last.isCancelled)).toEqual([true, true])
  expect(parked.size).toBe(0)
})
