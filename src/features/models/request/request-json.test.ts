import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readJsonRequest, rewriteJsonRequest } from './request-json.ts'

function rewritten(text: string, model: string, injectUsage = false): string {
  const request = readJsonRequest(Buffer.from(text))
  return Buffer.concat(rewriteJsonRequest(request, { model, injectUsage })).toString()
}

describe('readJsonRequest', () => {
  test('reads what routing and limits need', () => {
    const text =
      '{"model":"m","stream":true,"max_tokens":7,"stream_options":{"include_usage":true}}'
    expect(readJsonRequest(Buffer.from(text))).toMatchObject({
      model: 'm',
      stream: true,
      includesUsage: true,
      outputTokensMax: 7,
    })
  })

  test.each([
    ['broken JSON', '{"model":'],
    ['an array', '[]'],
    ['a model that is a number', '{"model":1}'],
    ['an empty model', '{"model":""}'],
  ])('refuses %s', (_case, text) => {
    expect(() => readJsonRequest(Buffer.from(text))).toThrowError(
      expect.objectContaining({ code: 'invalid_request' }),
    )
  })
})

describe('rewriteJsonRequest', () => {
  test('changes the model and not one byte else', () => {
    expect(
      rewritten('{ "model" : "a" , "seed":123456789012345678901, "x":{"model":"a"} }', 'b'),
    ).toBe('{ "model" : "b" , "seed":123456789012345678901, "x":{"model":"a"} }')
  })

  test('lets no second model name through', () => {
    expect(rewritten('{"model":"cheap","mod\\u0065l":"dear"}', 'm')).toBe(
      '{"model":"m","mod\\u0065l":"m"}',
    )
  })

  test.each([
    ['{"model":"m","stream":true}', undefined],
    ['{"model":"m","stream":true,"stream_options":null}', undefined],
    ['{"model":"m","stream":true,"stream_options":{}}', undefined],
    ['{"model":"m","stream":true,"stream_options":{"include_usage":false,"x":1}}', 1],
    ['{"model":"m","stream_options":{"x":1}}', 1],
  ])('asks for usage in %s and keeps the other options', (text, x) => {
    const parsed = JSON.parse(rewritten(text, 'm', true)) as { stream_options: object }
    expect(parsed.stream_options).toEqual({
      include_usage: true,
      ...(x === undefined ? {} : { x }),
    })
  })

  test('what comes out means what came in, but for the model', () => {
    const body = fc
      .dictionary(fc.string(), fc.jsonValue())
      .map((extra) => ({ ...extra, model: 'a' }))
    fc.assert(
      fc.property(body, fc.string({ minLength: 1 }), (value, model) => {
        expect(JSON.parse(rewritten(JSON.stringify(value), model))).toEqual({
          ...(JSON.parse(JSON.stringify(value)) as object),
          model,
        })
      }),
    )
  })
})

test('a model that is named twice is set everywhere, even where the last one needs no change', () => {
  expect(rewritten('{"model":"secret","model":"m"}', 'm')).toBe('{"model":"m","model":"m"}')
})

test('members that some parsers take for the model are set with it, and none of them stands for it', () => {
  expect(rewritten('{"model":"m","Model":"secret","MODEL":1}', 'm')).toBe(
    '{"model":"m","Model":"m","MODEL":"m"}',
  )
  expect(readJsonRequest(Buffer.from('{"Model":"secret"}')).model).toBeUndefined()
})
