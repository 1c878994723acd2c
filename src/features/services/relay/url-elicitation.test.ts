import { expect, test } from 'vitest'
import type { JsonObject } from '../wire/json.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import { makeError, makeResult, resultOf } from '../wire/rpc-message.ts'
import { askUrls, isUrlRequest } from './url-elicitation.ts'

const refuse = (data: unknown) =>
  makeError('1', new RpcError(rpcCodes.urlElicitationRequired, 'Visit', data))
const page = { mode: 'url', elicitationId: 'e', url: 'https://a.example/', message: 'Sign in' }

function ask(data: unknown, capabilities: JsonObject = { elicitation: { url: {} } }) {
  let seals = 0
  const response = refuse(data)
  const asked = askUrls(response, { id: '"own"', capabilities }, () => `state ${(seals += 1)}`)
  return { response, asked, seals }
}

test('only the refusal for pages that have to be visited is taken for one', () => {
  expect(isUrlRequest(refuse({}))).toBe(true)
  expect(isUrlRequest(makeError('1', new RpcError(-1, 'no')))).toBe(false)
  expect(isUrlRequest(makeResult('1', { code: rpcCodes.urlElicitationRequired }))).toBe(false)
})

test('a modern client is asked to have every page visited, and to make the call again', () => {
  const { asked } = ask({ elicitations: [page, { ...page, url: 'https://b.example/' }] })
  expect(asked.id).toBe('"own"')
  const question = (url: string) => ({
    method: 'elicitation/create',
    params: { mode: 'url', url, message: 'Sign in' },
  })
  expect(resultOf(asked)).toEqual({
    resultType: 'input_required',
    inputRequests: {
      input_1: question('https://a.example/'),
      input_2: question('https://b.example/'),
    },
    requestState: 'state 1',
  })
})

test('a client that cannot be asked gets the refusal as it is', () => {
  const { asked, response, seals } = ask({ elicitations: [page] }, { sampling: {} })
  expect(asked).toBe(response)
  expect(seals).toBe(0)
})

test('a refusal that names no page stays as it is', () => {
  for (const data of [undefined, null, {}, { elicitations: [] }, { elicitations: 'x' }, [7]]) {
    const { asked, response } = ask(data)
    expect(asked).toBe(response)
  }
  const { asked, response } = ask({ elicitations: ['no page'] })
  expect(asked).toBe(response)
})
