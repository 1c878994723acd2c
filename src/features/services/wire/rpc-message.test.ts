import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  editMessage,
  errorOf,
  makeError,
  makeNotification,
  makeRequest,
  makeResult,
  parseMessage,
  paramsOf,
  resultOf,
  withId,
} from './rpc-message.ts'
import { RpcError } from './rpc-error.ts'

function parse(text: string) {
  return parseMessage(Buffer.from(text))
}

function codeOf(text: string): number | undefined {
  try {
    parse(text)
    return undefined
  } catch (error) {
    return error instanceof RpcError ? error.code : Number.NaN
  }
}

test('the kinds of message are told apart', () => {
  expect(parse('{"jsonrpc":"2.0","id":1,"method":"a/b"}')).toMatchObject({
    kind: 'request',
    id: '1',
    method: 'a/b',
  })
  expect(parse('{"method":"n","jsonrpc":"2.0"}')).toMatchObject({ kind: 'notification' })
  expect(parse('{"jsonrpc":"2.0","id":"x","result":{}}')).toMatchObject({
    kind: 'response',
    id: '"x"',
    isError: false,
  })
  expect(parse('{"jsonrpc":"2.0","id":null,"error":{}}')).toMatchObject({ id: null, isError: true })
})

test('an id or a method that is no JSON is refused, because answers repeat it', () => {
  const ids = ['1.', '1.e', '-', '01', '"\\x"', '"a\nb"', '1 2', '1e']
  const withId = (id: string) => `{"jsonrpc":"2.0","id":${id},"method":"a"}`
  expect(ids.filter((id) => ![-32600, -32700].includes(codeOf(withId(id)) ?? 0))).toEqual([])
  expect(codeOf('{"jsonrpc":"2.0","id":1,"method":"\\x"}')).toBe(-32700)
  const fine = ['1', '-1', '0', '-0', '1.5e3', '12345678901234567890', '"a"', '"\\u00e9"', '""']
  expect(fine.filter((id) => codeOf(withId(id)) !== undefined)).toEqual([])
})

test('what is no message is told from what is no JSON', () => {
  expect(codeOf('nonsense')).toBe(-32700)
  expect(codeOf('')).toBe(-32700)
  expect(codeOf('{"jsonrpc":"2.0"')).toBe(-32700)
  const unfit = [
    '[]',
    '{}',
    '{"jsonrpc":"1.0","id":1,"method":"a"}',
    '{"jsonrpc":"2.0","id":null,"method":"a"}',
    '{"jsonrpc":"2.0","id":{},"method":"a"}',
    '{"jsonrpc":"2.0","id":1}',
    '{"jsonrpc":"2.0","result":{}}',
  ]
  expect(unfit.filter((text) => codeOf(text) !== -32600)).toEqual([])
})

test('an id comes back as it was written, number or text', () => {
  for (const id of ['1', '"1"', '12345678901234567890', '"\\u0041"', '-3', '1.50']) {
    const message = parse(`{"jsonrpc":"2.0","id":${id},"method":"m"}`)
    if (message.kind !== 'request') throw new Error('not a request')
    const renamed = withId(message, '99')
    expect(renamed.bytes.toString()).toBe('{"jsonrpc":"2.0","id":99,"method":"m"}')
    expect(withId(renamed, message.id).bytes.equals(message.bytes)).toBe(true)
  }
})

test('fields that nobody knows survive an edit to the letter', () => {
  const text =
    '{"x":1.0,"jsonrpc":"2.0","id":1,"method":"m","params":{"n":12345678901234567890,"_meta":{"a":1}}}'
  const message = parse(text)
  const edited = editMessage(message, [{ path: ['params', '_meta', 'progressToken'], json: '"t"' }])
  expect(edited.bytes.toString()).toBe(text.replace('"a":1}', '"a":1,"progressToken":"t"}'))
})

test('what is made is read as what it is', () => {
  const json = fc.dictionary(fc.string(), fc.jsonValue())
  fc.assert(
    fc.property(fc.oneof(fc.integer(), fc.string()), fc.string(), json, (id, method, value) => {
      const params = JSON.parse(JSON.stringify(value)) as Record<string, unknown>
      const idText = JSON.stringify(id)
      const request = makeRequest(idText, method, params)
      expect(parseMessage(request.bytes)).toEqual(request)
      expect(paramsOf(request)).toEqual(params)
      expect(parseMessage(makeNotification(method, params).bytes).kind).toBe('notification')
      expect(resultOf(makeResult(idText, params))).toEqual(params)
      const error = makeError(idText, new RpcError(-5, method, params))
      expect(parseMessage(error.bytes)).toEqual(error)
      expect(errorOf(error)).toMatchObject({ code: -5, message: method, data: params })
    }),
  )
})

test('nested nonsense that the scan lets pass is an error when it is needed', () => {
  const message = parse('{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":[1,}}}')
  if (message.kind !== 'request') throw new Error('not a request')
  expect(() => paramsOf(message)).toThrow(RpcError)
})
