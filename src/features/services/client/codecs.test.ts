import fc from 'fast-check'
import { expect, test } from 'vitest'
import { testSecretBox } from '../../../../test/support/mcp-front.ts'
import { createSecretBox } from '../../../store/secret-box.ts'
import { isJsonType, readAccept } from './accept.ts'
import { beginsArray, splitArray } from './batch-bytes.ts'
import { decodeHeaderValue, encodeHeaderValue } from '../wire/header-value.ts'
import { ReplayBuffer } from './replay-buffer.ts'
import { parseEventId } from './resumable-stream.ts'
import { openSessionId, sealSessionId } from './session-id.ts'

test('any text comes back from a header value', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
      expect(decodeHeaderValue(encodeHeaderValue(text))).toBe(text)
    }),
  )
})

test('what is wrapped badly means nothing, what is not wrapped means itself', () => {
  for (const value of ['=?base64?SGVsbG8?=', '=?base64?SGVs!!!bG8=?=', '=?base64?/w==?=']) {
    expect(decodeHeaderValue(value)).toBeUndefined()
  }
  for (const value of ['=?base64?SGVsbG8=', 'SGVsbG8=?=', 'plain', '=?base64?=']) {
    expect(decodeHeaderValue(value)).toBe(value)
  }
  expect(decodeHeaderValue('=?base64??=')).toBe('')
  expect(decodeHeaderValue(' \tx ')).toBe('x')
})

test('no header value makes the decoder fail', () => {
  fc.assert(
    fc.property(fc.string(), (value) => {
      expect(() => decodeHeaderValue(value)).not.toThrow()
    }),
  )
})

const told = fc.dictionary(fc.string({ maxLength: 10 }), fc.jsonValue({ maxDepth: 1 }), {
  maxKeys: 3,
})
const sealedSession = fc.record({
  id: fc.base64String({ maxLength: 24 }),
  keyId: fc.string({ maxLength: 40 }),
  endpointId: fc.string({ maxLength: 40 }),
  protocolVersion: fc.constantFrom('2025-11-25', '2024-11-05'),
  capabilities: told,
  clientInfo: told,
  expiresAt: fc.integer({ min: 0 }),
})

test('a sealed session opens as what it was, and is fit for a header', () => {
  fc.assert(
    fc.property(sealedSession, (session) => {
      const plain = JSON.parse(JSON.stringify(session)) as typeof session
      // Beyond that, less is told; see the next test.
      fc.pre(JSON.stringify(plain).length < 2_800)
      const text = sealSessionId(testSecretBox, plain)
      expect(text).toMatch(/^[\x21-\x7e]{1,4096}$/)
      expect(openSessionId(testSecretBox, text)).toEqual(plain)
    }),
  )
})

test('a session that would be too long says less of its client', () => {
  const base = {
    id: 'i',
    keyId: 'k',
    endpointId: 'e',
    protocolVersion: '2025-11-25',
    expiresAt: 1,
  }
  const long = { text: 'x'.repeat(5_000) }
  const seal = (capabilities: object, clientInfo: object) => {
    const session = { ...base, capabilities: { ...capabilities }, clientInfo: { ...clientInfo } }
    return openSessionId(testSecretBox, sealSessionId(testSecretBox, session))
  }
  expect(seal({ roots: {} }, long)).toMatchObject({ capabilities: { roots: {} }, clientInfo: {} })
  expect(seal(long, {})).toMatchObject({ id: 'i', capabilities: {}, clientInfo: {} })
})

test('what was altered, sealed by others or for something else does not open', () => {
  const session = {
    id: 'i',
    keyId: 'k',
    endpointId: 'e',
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: {},
    expiresAt: 1,
  }
  const text = sealSessionId(testSecretBox, session)
  const others = createSecretBox([new Uint8Array(32).fill(1)])
  expect(openSessionId(others, text)).toBeUndefined()
  expect(openSessionId(testSecretBox, testSecretBox.seal('{}', 'elsewhere'))).toBeUndefined()
  fc.assert(
    // The last character has bits that stand for nothing.
    fc.property(fc.nat(text.length - 2), fc.constantFrom('A', 'z', '.', '0'), (at, character) => {
      const altered = text.slice(0, at) + character + text.slice(at + 1)
      const opened = openSessionId(testSecretBox, altered)
      fc.pre(altered !== text)
      expect(opened).toBeUndefined()
    }),
  )
  fc.assert(
    fc.property(fc.string(), (any) => {
      expect(openSessionId(testSecretBox, any)).toBeUndefined()
    }),
  )
})

test('the elements of an array are found, whatever they are', () => {
  const space = fc.constantFrom(0, 1, 2)
  fc.assert(
    fc.property(fc.array(fc.jsonValue(), { maxLength: 8 }), space, (values, indent) => {
      const text = ` ${JSON.stringify(values, null, indent)}\n`
      expect(beginsArray(Buffer.from(text))).toBe(true)
      const elements = splitArray(Buffer.from(text), 8)
      expect(elements?.map((bytes): unknown => JSON.parse(bytes.toString()))).toEqual(
        JSON.parse(text),
      )
    }),
  )
})

test('no bytes make the search for elements fail or find more than allowed', () => {
  const character = fc.constantFrom('[', ']', '{', '}', ',', '"', '\\', ' ', '1')
  fc.assert(
    fc.property(fc.string({ unit: character }), (text) => {
      const elements = splitArray(Buffer.from(`[${text}]`), 3)
      expect(elements?.length ?? 0).toBeLessThanOrEqual(3)
    }),
  )
  expect(splitArray(Buffer.from('[1,2,3,4]'), 3)).toBeUndefined()
  expect(splitArray(Buffer.from('[[1]'), 3)).toBeUndefined()
  expect(splitArray(Buffer.from('{}'), 3)).toBeUndefined()
})

test('event ids are read, and nothing else is taken for one', () => {
  expect(parseEventId('a1p2-17')).toEqual({ stream: 'a1p2', number: 17 })
  for (const text of ['', '-1', 'a-', 'a-x', 'A-1', 'a-1-2', ' a-1', `a-${'9'.repeat(13)}`]) {
    expect(parseEventId(text)).toBeUndefined()
  }
})

test('what is kept for resuming never exceeds its bounds, and all of it is given back', () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 40 })
  fc.assert(
    fc.property(sizes, (all) => {
      const pool = { bytesMax: 150, bytes: 0 }
      const buffers = [new ReplayBuffer(pool, 100), new ReplayBuffer(pool, 100)]
      all.forEach((size, index) => {
        const entry = { stream: 's', number: index, bytes: Buffer.alloc(size), at: index }
        buffers[index % 2]?.add(entry)
        expect(buffers.every(({ bytes }) => bytes <= 100)).toBe(true)
        expect(pool.bytes).toBeLessThanOrEqual(150)
      })
      buffers[0]?.expire(Number.MAX_SAFE_INTEGER)
      buffers[1]?.clear()
      expect(pool.bytes).toBe(0)
    }),
  )
})

test('a header Accept is read type by type', () => {
  expect(readAccept('')).toEqual({ json: true, namesJson: false, events: false })
  expect(readAccept('*/*')).toEqual({ json: true, namesJson: false, events: false })
  expect(readAccept('text/event-stream')).toEqual({ json: false, namesJson: false, events: true })
  expect(readAccept('Application/JSON;q=1 , TEXT/event-stream')).toEqual({
    json: true,
    namesJson: true,
    events: true,
  })
  expect(readAccept('application/json-seq').json).toBe(false)
  expect(isJsonType('application/json; charset=utf-8')).toBe(true)
  expect(isJsonType('application/jsonp')).toBe(false)
})
