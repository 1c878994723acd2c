import { AppError } from '../../../lib/errors.ts'
import { applyEdits, parseString, scanObject } from '../../../net/json-scan.ts'
import type { ByteRange, Edit, ScannedMember } from '../../../net/json-scan.ts'

/** What Portico has to know of a JSON request, found without parsing it. */
export interface JsonRequest {
  readonly bytes: Buffer
  readonly model: string | undefined
  /** Every place where the model is named: another parser may let another one win. */
  readonly modelRanges: readonly ByteRange[]
  readonly stream: boolean
  /** The client asked for usage in the stream itself. */
  readonly includesUsage: boolean
  /** Every place where the options of the stream are given. */
  readonly streamOptions: readonly ByteRange[]
  readonly outputTokensMax: number | undefined
}

const closeBrace = 0x7d
const outputLimits = ['max_tokens', 'max_completion_tokens', 'max_output_tokens']

/** `model` in every mixture of cases: to parsers such as Go's each of them is the same member. */
const modelKeys = new Set(
  Array.from({ length: 2 ** 'model'.length }, (_, mask) =>
    Array.from('model', (letter, at) => (mask & (1 << at) ? letter.toUpperCase() : letter)).join(
      '',
    ),
  ),
)
const keys = new Set([...modelKeys, 'stream', 'stream_options', ...outputLimits])

/** Reads the top level of a request. Throws `invalid_request` for what is not a JSON object, or whose model is not a string. */
export function readJsonRequest(bytes: Buffer): JsonRequest {
  const members = scanObject(bytes, keys)
  if (members === undefined) throw new AppError('invalid_request', 'The body is not valid JSON.')
  const models = members.filter((member) => modelKeys.has(member.key))
  const streamOptions = members.filter((member) => member.key === 'stream_options')
  return {
    bytes,
    model: modelName(bytes, models),
    modelRanges: models,
    stream: textOf(bytes, members, 'stream') === 'true',
    includesUsage: asksForUsage(bytes, streamOptions.at(-1)),
    streamOptions,
    outputTokensMax: largestNumber(bytes, members),
  }
}

/** The body with the model name replaced, and with usage asked for if `injectUsage`, in pieces. */
export function rewriteJsonRequest(
  request: JsonRequest,
  change: { readonly model: string; readonly injectUsage: boolean },
): readonly Buffer[] {
  const edits = change.injectUsage ? usageEdits(request) : []
  // Named several times, all of them are set, even to the same: another parser may let another one win.
  if (change.model !== request.model || request.modelRanges.length > 1) {
    const value = Buffer.from(JSON.stringify(change.model))
    for (const { start, end } of request.modelRanges) edits.push({ start, end, value })
  }
  return edits.length === 0 ? [request.bytes] : applyEdits(request.bytes, edits)
}

function modelName(bytes: Buffer, models: readonly ScannedMember[]): string | undefined {
  const last = models.findLast(({ key }) => key === 'model')
  if (last === undefined) return undefined
  const name = parseString(bytes, last)
  if (name === undefined || name === '') {
    throw new AppError('invalid_request', 'The model must be a non-empty string.', {
      param: 'model',
    })
  }
  return name
}

function textOf(bytes: Buffer, members: readonly ScannedMember[], key: string): string | undefined {
  const member = members.findLast((candidate) => candidate.key === key)
  return member === undefined ? undefined : bytes.toString('latin1', member.start, member.end)
}

function largestNumber(bytes: Buffer, members: readonly ScannedMember[]): number | undefined {
  let largest: number | undefined
  for (const member of members) {
    if (!outputLimits.includes(member.key)) continue
    const value = Number(bytes.toString('latin1', member.start, member.end))
    if (Number.isFinite(value) && value >= 0) largest = Math.max(largest ?? 0, value)
  }
  return largest
}

const includeUsage = new Set(['include_usage'])

function asksForUsage(bytes: Buffer, range: ByteRange | undefined): boolean {
  if (range === undefined) return false
  const options = bytes.subarray(range.start, range.end)
  return textOf(options, scanObject(options, includeUsage) ?? [], 'include_usage') === 'true'
}

/** Sets `stream_options.include_usage`, whatever the client's own options say about it; its other options stay. */
function usageEdits({ bytes, streamOptions }: JsonRequest): Edit[] {
  const last = streamOptions.at(-1)
  if (last === undefined) {
    const close = bytes.lastIndexOf(closeBrace)
    const value = Buffer.from(',"stream_options":{"include_usage":true}')
    return [{ start: close, end: close, value }]
  }
  const value = usageOptions(bytes.subarray(last.start, last.end))
  return streamOptions.map(({ start, end }) => ({ start, end, value }))
}

function usageOptions(options: Buffer): Buffer {
  const members = scanObject(options, includeUsage)
  if (members === undefined) return Buffer.from('{"include_usage":true}')
  if (members.length > 0) return Buffer.concat(applyEdits(options, members.map(toTrue)))
  const isEmpty = options.subarray(1).toString('latin1').trim() === '}'
  const value = Buffer.from(isEmpty ? '"include_usage":true' : '"include_usage":true,')
  return Buffer.concat(applyEdits(options, [{ start: 1, end: 1, value }]))
}

function toTrue({ start, end }: ByteRange): Edit {
  return { start, end, value: Buffer.from('true') }
}
