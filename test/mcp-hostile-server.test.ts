import { expect, test } from 'vitest'
import { doneLine, openOutspoken } from './support/outspoken.ts'

const deep = '['.repeat(100_000) + ']'.repeat(100_000)

test('R17 what a server says that is no JSON inside harms nobody, and its call is answered', async () => {
  await using outspoken = await openOutspoken()
  const lines = [
    '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":tru}}',
    '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":{"a" "b"}}}',
    `{"jsonrpc":"2.0","method":"notifications/message","params":{"data":${deep}}}`,
    '{"jsonrpc":"2.0","id":77,"method":"elicitation/create","params":{"a":tru}}',
    '{"jsonrpc":"2.0","id":1.e,"method":"ping","params":{}}',
    '{"jsonrpc":"2.0","method":"\\x"}',
    `[${deep}]`,
    doneLine,
  ]
  expect((await outspoken.callModern({ lines })).text).toContain('"done":true')
  expect((await outspoken.callPlainly({ lines })).text).toContain('"done":true')
  for (const outcome of ['"error":{"code":tru}', '"result":{"content":tru,"x":{"a" "b"}}']) {
    const line = `{"jsonrpc":"2.0","id":$ID,${outcome}}`
    const { status, text } = await outspoken.callModern({ lines: [line] })
    expect({ outcome, status, text }).toMatchObject({
      status: 200,
      text: expect.stringMatching(/"(?:result|error)"/),
    })
  }
})

test('a server that asks with nesting without end concerns its own call alone', async () => {
  await using outspoken = await openOutspoken()
  const line = `{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{"message":${deep}}}`
  expect((await outspoken.callModern({ lines: [line] })).status).toBe(200)
  expect((await outspoken.callPlainly({ lines: [doneLine] })).text).toContain('"done":true')
})
