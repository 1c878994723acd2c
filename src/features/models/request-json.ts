import { AppError } from '../../lib/errors.ts'
import { parseString, scanObject, spliceRanges } from '../../net/json-scan.ts'
import type { ByteRange, ScannedMember } from '../../net/json-scan.ts'

/** What Portico has to know of a JSON request, found without parsing it. */
export interface JsonRequest {
  readonly bytes: Buffer
  readonly model: string | undefined
  /** Every place where the model is named: another parser may let another one win. */
  readonly modelRanges: readonly ByteRange[]
  readonly stream: boolean
  /** The client asked for usage in the stream itself. */
  readonly includesUsage: boolean
  readonly streamOptions: ByteRange | undefined
  readonly outputTokensMax: number | undefined
}

const outputLimits = ['max_tokens', 'max_completion_tokens', 'max_output_tokens']
const keys = new Set(['model', 'stream', 'stream_options', ...outputLimits])

/** Reads the top level of a request. Throws `invalid_request` for what is not a JSON object, or whose model is not a string. */
export function readJsonRequest(bytes: Buffer): JsonRequest {
  const members = scanObject(bytes, keys)
  if (members === undefined) throw new AppError('invalid_request', 'The body is not valid JSON.')
  const models = members.filter((member) => member.key === 'model')
  const streamOptions = members.findLast((member) => member.key === 'stream_options')
  return {
    bytes,
    model: modelName(bytes, models),
    modelRanges: models,
    stream: textOf(bytes, members, 'stream') === 'true',
    includesUsage: streamOptions !== undefined && asksForUsage(bytes, streamOptions),
    streamOptions,
    outputTokensMax: largestNumber(bytes, members),
  }
}

/** The body with the model name replaced, and with usage asked for if `injectUsage`. */
export function rewriteJsonRequest(
  request: JsonRequest,
  change: { readonly model: string; readonly injectUsage: boolean },
): Buffer {
  const renamed =
    change.model === request.model
      ? request.bytes
      : spliceRanges(request.bytes, request.modelRanges, Buffer.from(JSON.stringify(change.model)))
  return change.injectUsage ? withUsageAsked(renamed) : renamed
}

function modelName(bytes: Buffer, models: readonly ScannedMember[]): string | undefined {
  const last = models.at(-1)
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

function asksForUsage(bytes: Buffer, range: ByteRange): boolean {
  const options = bytes.subarray(range.start, range.end)
  return textOf(options, scanObject(options, includeUsage) ?? [], 'include_usage') === 'true'
}

/** Sets `stream_options.include_usage`, whatever the client's own options say about it; its other options stay. */
function withUsageAsked(bytes: Buffer): Buffer {
  const ranges = (scanObject(bytes, keys) ?? []).filter((member) => member.key === 'stream_options')
  const last = ranges.at(-1)
  if (last === undefined) {
    const close = bytes.lastIndexOf(0x7d)
    const addition = Buffer.from(',"stream_options":{"include_usage":true}')
    return spliceRanges(bytes, [{ start: close, end: close }], addition)
  }
  const options = bytes.subarray(last.start, last.end)
  return spliceRanges(bytes, ranges, usageOptions(options))
}

function usageOptions(options: Buffer): Buffer {
  const members = scanObject(options, includeUsage)
  if (members === undefined) return Buffer.from('{"include_usage":true}')
  if (members.length > 0) return spliceRanges(options, members, Buffer.from('true'))
  const isEmpty = options.subarray(1).toString('latin1').trim() === '}'
  const addition = Buffer.from(isEmpty ? '"include_usage":true' : '"include_usage":true,')
  return spliceRanges(options, [{ start: 1, end: 1 }], addition)
}
