import { expect, test } from 'vitest'
import { costNanoUsd, createPriceList, estimateNanoUsd, free } from './prices.ts'

const list = createPriceList({
  'gpt-4o': { input: 2.5, output: 10, cachedInput: 1.25 },
  'gpt-4*': { input: 1, output: 2 },
  'gpt-*': { input: 0.0375, output: 0.15, perRequest: 0.01 },
})

test('an exact name goes before the longest prefix', () => {
  expect(list.find('gpt-4o')?.inputPerToken).toBe(2500)
  expect(list.find('gpt-4.1')?.inputPerToken).toBe(1000)
  expect(list.find('gpt-3')?.inputPerToken).toBe(37.5)
  expect(list.find('claude')).toBeNull()
})

test('a lone star prices everything else', () => {
  const all = createPriceList({ '*': { input: 1, output: 1 }, 'a*': { input: 2, output: 2 } })
  expect(all.find('zebra')?.inputPerToken).toBe(1000)
  expect(all.find('ape')?.inputPerToken).toBe(2000)
})

test('cached input tokens cost their own price', () => {
  const usage = { inputTokens: 1000, outputTokens: 100, cachedTokens: 400 }
  expect(costNanoUsd(list.find('gpt-4o'), usage)).toBe(600 * 2500 + 400 * 1250 + 100 * 10_000)
})

test('cached input tokens cost as much as others where nothing else is said', () => {
  const usage = { inputTokens: 10, outputTokens: 0, cachedTokens: 10 }
  expect(costNanoUsd(list.find('gpt-4.1'), usage)).toBe(10_000)
})

test('a price a request is added once', () => {
  const usage = { inputTokens: 2, outputTokens: 0, cachedTokens: null }
  expect(costNanoUsd(list.find('gpt-3'), usage)).toBe(10_000_075)
})

test('nothing is known of the cost without a price or without token counts', () => {
  expect(costNanoUsd(null, { inputTokens: 1, outputTokens: 1, cachedTokens: 0 })).toBeNull()
  expect(
    costNanoUsd(free, { inputTokens: null, outputTokens: null, cachedTokens: null }),
  ).toBeNull()
})

test('more cached tokens than input tokens never make a call cheaper than free', () => {
  const usage = { inputTokens: 10, outputTokens: 0, cachedTokens: 1_000_000 }
  expect(costNanoUsd(list.find('gpt-4o'), usage)).toBe(12_500)
})

test('the estimate is never below the cost of what it estimates', () => {
  const usage = { inputTokens: 333, outputTokens: 77, cachedTokens: 33 }
  const price = list.find('gpt-3')
  expect(estimateNanoUsd(price, 333, 77)).toBeGreaterThanOrEqual(costNanoUsd(price, usage) ?? 0)
})
