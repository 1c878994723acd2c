import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { multipartBoundary, openForm } from './multipart-field.ts'

const boundary = 'b0undary'

interface Part {
  readonly head: string
  readonly content: Buffer | string
}

const field = (name: string, content: string): Part => ({
  head: `Content-Disposition: form-data; name="${name}"`,
  content,
})

const file = (content: Buffer | string): Part => ({
  head: 'Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav',
  content,
})

function form(...parts: readonly Part[]): Buffer {
  const bytes = parts.flatMap(({ head, content }) => [
    Buffer.from(`--${boundary}\r\n${head}\r\n\r\n`),
    Buffer.from(content as string),
    Buffer.from('\r\n'),
  ])
  return Buffer.concat([...bytes, Buffer.from(`--${boundary}--\r\n`)])
}

/** The bytes in chunks that end at the given places. */
async function* inChunks(bytes: Buffer, cuts: readonly number[] = []): AsyncGenerator<Buffer> {
  let from = 0
  for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
    yield bytes.subarray(from, cut)
    from = cut
  }
}

const open = (bytes: Buffer, cuts?: readonly number[]) =>
  openForm(inChunks(bytes, cuts), { boundary, fieldName: 'model', bufferBytesMax: 1_000_000 })

async function rewrite(bytes: Buffer, model: string, cuts?: readonly number[]): Promise<Buffer> {
  const opened = await open(bytes, cuts)
  return Buffer.concat(await Array.fromAsync(opened.body(model)))
}

/** Content that is full of beginnings of delimiters, but has none. */
const trickyContent = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '\r',
        '\n',
        '\r\n',
        '--',
        '\r\n--',
        '\r\n--b0undar',
        '--b0undary',
        '\n--b0undary',
        'model',
      ),
      fc.string(),
    ),
  )
  .map((pieces) => pieces.join(''))
  .filter((text) => !`\r\n${text}\r\n`.includes(`\r\n--${boundary}`))

const cutsIn = (bytes: Buffer) => fc.array(fc.nat(bytes.length), { maxLength: 30 })

describe('a form whose model is replaced', () => {
  test('keeps every other byte, however it is cut and whatever the file contains', async () => {
    const cases = fc
      .record({
        before: trickyContent,
        after: trickyContent,
        model: fc.stringMatching(/^[\w/.:-]{1,40}$/),
      })
      .chain(({ before, after, model }) => {
        const around = (name: string) =>
          form(field('language', 'en'), file(before), field('model', name), file(after))
        const bytes = around(model)
        return fc.record({
          bytes: fc.constant(bytes),
          expected: fc.constant(around('real/model')),
          model: fc.constant(model),
          cuts: cutsIn(bytes),
        })
      })
    await fc.assert(
      fc.asyncProperty(cases, async ({ bytes, expected, model, cuts }) => {
        const opened = await open(bytes, cuts)
        expect(opened.value).toBe(model)
        const rewritten = Buffer.concat(await Array.fromAsync(opened.body('real/model')))
        expect(rewritten.equals(expected)).toBe(true)
        expect(bytes.length + opened.growth('real/model')).toBe(expected.length)
      }),
    )
  })

  test('is passed on byte by byte as well as at once', async () => {
    const bytes = form(file(Buffer.from([0, 255, 13, 10, 45, 45, 98])), field('model', 'a'))
    const everyByte = Array.from({ length: bytes.length }, (_, index) => index)
    expect((await rewrite(bytes, 'b', everyByte)).equals(await rewrite(bytes, 'b'))).toBe(true)
  })

  test('may have spaces behind a delimiter, names without quotes and an epilogue', async () => {
    const bytes = Buffer.from(
      `--${boundary} \t\r\ncontent-disposition:form-data;name=model\r\n\r\na\r\n--${boundary}--\r\nbye`,
    )
    const expected = bytes.toString().replace('\r\na\r\n', '\r\nbcd\r\n')
    expect((await rewrite(bytes, 'bcd')).toString()).toBe(expected)
  })

  test('may have an empty file and a part without headers', async () => {
    const bytes = Buffer.concat([
      Buffer.from(`--${boundary}\r\n\r\nnameless\r\n`),
      form(file(''), field('model', '')),
    ])
    expect((await open(bytes)).value).toBe('')
  })
})

test('does not wait for the file when the model comes first', async () => {
  const bytes = form(field('model', 'whisper'), file('x'.repeat(100)))
  const arrived = bytes.indexOf('audio/wav')
  async function* stalls() {
    yield bytes.subarray(0, arrived)
    await new Promise(() => {})
  }
  const opened = await openForm(stalls(), { boundary, fieldName: 'model', bufferBytesMax: 1_000 })
  expect(opened.value).toBe('whisper')
})

test('holds no more than it is allowed to while the model has not come', async () => {
  const bytes = form(file('x'.repeat(100_000)), field('model', 'whisper'))
  const cuts = Array.from({ length: 100 }, (_, index) => index * 1_000)
  const search = { boundary, fieldName: 'model', bufferBytesMax: 50_000 }
  await expect(openForm(inChunks(bytes, cuts), search)).rejects.toMatchObject({
    code: 'request_too_large',
    details: { hint: expect.stringContaining('before the file') },
  })
})

test('comes as it is if it has no model, or if nothing is to replace it', async () => {
  const without = form(field('purpose', 'batch'), file('x'))
  const opened = await open(without)
  expect(opened.value).toBeUndefined()
  expect(opened.growth('any')).toBe(0)
  expect(Buffer.concat(await Array.fromAsync(opened.body('any'))).equals(without)).toBe(true)

  const bytes = form(file('x'), field('model', 'a'), file('y'))
  const kept = await Array.fromAsync((await open(bytes)).body())
  expect(Buffer.concat(kept).equals(bytes)).toBe(true)
})

describe('a form that two readers could read differently is refused:', () => {
  const model = field('model', 'allowed')
  test.each<[string, string]>([
    ['two models', form(model, field('model', 'forbidden')).toString()],
    ['a preamble', `hello\r\n${form(model).toString()}`],
    ['line ends without CR', form(model).toString().replaceAll('\r\n', '\n')],
    [
      'a delimiter with something behind it',
      form(model, file(`x\r\n--${boundary}x\r\n${model.head}`)).toString(),
    ],
    [
      'a part without a body',
      `--${boundary}\r\nX: 1\r\n\r\n--${boundary}\r\n${model.head}\r\n\r\na`,
    ],
    ['no closing delimiter', form(model).toString().slice(0, -6)],
    [
      'a folded disposition',
      form({ head: 'Content-Disposition: form-data;\r\n name="model"', content: 'a' }).toString(),
    ],
    [
      'two dispositions',
      form({ head: `${field('x', '').head}\r\n${model.head}`, content: 'a' }).toString(),
    ],
    ['two names', form({ head: `${field('x', '').head}; name="model"`, content: 'a' }).toString()],
    [
      'an extended name',
      form({ head: `Content-Disposition: form-data; name*=UTF-8''model`, content: 'a' }).toString(),
    ],
    [
      'an escaped quote',
      form({
        head: String.raw`${field('x', '').head}; filename="a\"; name=\"model"`,
        content: 'a',
      }).toString(),
    ],
    ['an endless model', form(field('model', 'm'.repeat(2_000))).toString()],
    ['endless headers', form({ head: `X: ${'y'.repeat(20_000)}`, content: '' }).toString()],
  ])('%s', async (_case, text) => {
    await expect(rewrite(Buffer.from(text), 'real')).rejects.toMatchObject({
      code: 'invalid_request',
    })
  })
})

test('reads the boundary of form-data, and only a proper one', () => {
  expect(multipartBoundary('multipart/form-data; boundary=abc')).toBe('abc')
  expect(multipartBoundary('Multipart/Form-Data; charset=utf-8; Boundary="a b?c"')).toBe('a b?c')
  expect(multipartBoundary('multipart/form-data; boundary=a; boundary=b')).toBeUndefined()
  expect(multipartBoundary('multipart/form-data; boundary="a\r\nb"')).toBeUndefined()
  expect(multipartBoundary(`multipart/form-data; boundary=${'a'.repeat(71)}`)).toBeUndefined()
  expect(multipartBoundary('multipart/form-data')).toBeUndefined()
  expect(multipartBoundary('multipart/mixed; boundary=abc')).toBeUndefined()
})
