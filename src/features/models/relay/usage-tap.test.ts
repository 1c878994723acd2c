import { describe, expect, test } from 'vitest'
import { UsageTap } from './usage-tap.ts'

function tapped(...chunks: readonly string[]): UsageTap {
  const tap = new UsageTap()
  for (const chunk of chunks) tap.push(Buffer.from(chunk))
  return tap
}

describe('UsageTap', () => {
  test('reads the usage of a chat completion', () => {
    const body =
      '{"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":4}}}'
    expect(tapped(body).read()).toEqual({ inputTokens: 12, outputTokens: 5, cachedTokens: 4 })
  })

  test('reads usage that is split over chunks at any byte', () => {
    const body = 'data: {"usage" : {"prompt_tokens":1,"completion_tokens":2}}\n\n'
    for (let cut = 1; cut < body.length; cut += 1) {
      expect(tapped(body.slice(0, cut), body.slice(cut)).read()?.outputTokens).toBe(2)
    }
  })

  test('joins what the first and the last event of an Anthropic stream tell', () => {
    const tap = tapped(
      'event: message_start\ndata: {"message":{"usage":{"input_tokens":7,"cache_read_input_tokens":3,"output_tokens":1}}}\n\n',
      'data: {"type":"content_block_delta"}\n\n',
      'event: message_delta\ndata: {"usage":{"output_tokens":42}}\n\n',
    )
    expect(tap.read()).toEqual({ inputTokens: 10, outputTokens: 42, cachedTokens: 3 })
  })

  test('is not taken in by text that looks like usage', () => {
    const fake = JSON.stringify({ content: '"usage":{"prompt_tokens":999}' })
    expect(tapped(fake).read()).toBeUndefined()
  })

  test('passes over usage that is null, as every chunk but the last may carry it', () => {
    const tap = tapped(
      'data: {"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n',
      'data: {"usage":null}\n\n',
    )
    expect(tap.read()).toEqual({ inputTokens: 3, outputTokens: 4, cachedTokens: 0 })
  })

  test('finds usage at the end of an answer much longer than what it keeps', () => {
    const tap = new UsageTap()
    for (let count = 0; count < 100; count += 1) tap.push(Buffer.alloc(16 * 1024, 'x'))
    tap.push(Buffer.from('"usage":{"total_tokens":9}'))
    expect(tap.read()).toEqual({ inputTokens: 9, outputTokens: 0, cachedTokens: 0 })
  })
})
