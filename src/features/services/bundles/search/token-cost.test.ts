import fc from 'fast-check'
import { expect, test } from 'vitest'
import { estimateTokens, toolTokens } from './token-cost.ts'

test('a text costs about as many tokens as a tokenizer makes of it', () => {
  // Counted with o200k_base.
  const counted: [string, number][] = [
    ['The quick brown fox jumps over the lazy dog.', 10],
    ['{"type":"object","properties":{"message":{"type":"string"}}}', 14],
    ['检索天气数据并返回结果', 7],
  ]
  for (const [text, tokens] of counted) {
    expect(estimateTokens(text) / tokens).toBeGreaterThan(0.7)
    expect(estimateTokens(text) / tokens).toBeLessThan(1.4)
  }
})

test('more text never costs less', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (one, other) => {
      expect(estimateTokens(`${one} ${other}`)).toBeGreaterThanOrEqual(estimateTokens(one))
    }),
  )
})

test('of a tool only what models are shown costs', () => {
  const tool = { name: 'a', description: 'Does', inputSchema: { type: 'object' } }
  const cost = toolTokens(JSON.stringify(tool))
  expect(toolTokens(JSON.stringify({ ...tool, _meta: { long: 'x'.repeat(900) } }))).toBe(cost)
  expect(toolTokens(JSON.stringify(tool), (text) => text.length)).toBeGreaterThan(cost)
  expect(toolTokens('null')).toBe(0)
})
