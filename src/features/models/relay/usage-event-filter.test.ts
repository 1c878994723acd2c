import fc from 'fast-check'
import { expect, test } from 'vitest'
import { UsageEventFilter } from './usage-event-filter.ts'

const content = 'data: {"choices":[{"delta":{"content":"é \\"choices\\":[] "}}],"usage":null}\n\n'
const filtered = 'data: {"choices":[],"prompt_filter_results":[]}\n\n'
const usage = 'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n'
const done = 'data: [DONE]\n\n'

function pass(bytes: Buffer, cuts: readonly number[]): string {
  const filter = new UsageEventFilter()
  const out: Buffer[] = []
  let from = 0
  for (const cut of [...cuts].sort((one, other) => one - other)) {
    out.push(filter.push(bytes.subarray(from, cut)))
    from = cut
  }
  out.push(filter.push(bytes.subarray(from)), filter.end())
  return Buffer.concat(out).toString()
}

test('takes out the usage event alone, wherever the stream is cut', () => {
  const bytes = Buffer.from(': hello\n\n' + filtered + content + usage + done)
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 6 }), (cuts) => {
      expect(pass(bytes, cuts)).toBe(': hello\n\n' + filtered + content + done)
    }),
  )
})

test('passes on the rest of an event that the stream ends in', () => {
  expect(pass(Buffer.from(content + 'data: {"cho'), [])).toBe(content + 'data: {"cho')
})
