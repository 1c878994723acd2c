import { expect, test } from 'vitest'
import { estimateTokens } from './count-tokens.ts'

function estimate(request: object): number {
  return estimateTokens(Buffer.from(JSON.stringify(request))).input_tokens
}

test('four bytes of text are a token, and a message has four of its own', () => {
  const messages = [{ role: 'user', content: 'x'.repeat(400) }]
  expect(estimate({ messages })).toBe(105)
  expect(estimate({ messages, system: 'y'.repeat(40) })).toBe(119)
})

test('calls and tools count as the JSON that is sent', () => {
  const call = { type: 'tool_use', id: 't', name: 'find', input: { text: 'x'.repeat(400) } }
  const messages = [{ role: 'assistant', content: [call] }]
  const plain = estimate({ messages })
  expect(plain).toBeGreaterThan(100)
  const tools = [{ name: 'find', description: 'x'.repeat(400), input_schema: {} }]
  expect(estimate({ messages, tools })).toBeGreaterThan(plain + 100)
})

test('an image counts the same whatever its bytes', () => {
  const image = (data: string) => {
    const source = { type: 'base64', media_type: 'image/png', data }
    return estimate({ messages: [{ role: 'user', content: [{ type: 'image', source }] }] })
  }
  expect(image('A'.repeat(100_000))).toBe(image('AAAA'))
  expect(image('AAAA')).toBeGreaterThan(1000)
})

test('a request that could not be sent cannot be counted', () => {
  const tools = [{ type: 'web_search_20250305', name: 'web_search' }]
  const request = { messages: [{ role: 'user', content: 'x' }], tools }
  expect(() => estimate(request)).toThrow('web_search_20250305')
})
