import { firstEventEnd } from '../../../net/sse-boundary.ts'
import { parseJson } from '../json-body.ts'

/**
 * What the beginning of a stream tells: nothing yet, that the answer has begun, or that the upstream reports an error
 * although it began with status 200; `status` is the one it should have answered with.
 */
export type FirstEvent =
  | { readonly state: 'incomplete' }
  | { readonly state: 'content' }
  | { readonly state: 'error'; readonly status: number }

const incomplete: FirstEvent = { state: 'incomplete' }
const content: FirstEvent = { state: 'content' }

/** A first event longer than this has certainly begun the answer. */
const firstEventBytesMax = 64 * 1024

/** Looks for the first event with data in the beginning of a stream. Comments and empty events tell nothing. */
export function inspectFirstEvent(bytes: Buffer): FirstEvent {
  let from = 0
  for (;;) {
    const end = firstEventEnd(bytes, from)
    if (end < 0) return bytes.length - from > firstEventBytesMax ? content : incomplete
    const verdict = judge(bytes.toString('utf8', from, end))
    if (verdict !== undefined) return verdict
    from = end
  }
}

const eventEnd = Buffer.from('\n\n')

/** The same for a stream that is over: its last event may lack the empty line behind it. */
export function inspectWholeStream(bytes: Buffer): FirstEvent {
  return inspectFirstEvent(Buffer.concat([bytes, eventEnd]))
}

function judge(event: string): FirstEvent | undefined {
  const data = event
    .split(/\r\n|\r|\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice('data:'.length))
    .join('\n')
    .trim()
  if (data === '') return undefined
  const isNamedError = /^event:\s*error\s*$/m.test(event)
  if (!isNamedError && !(data.startsWith('{') && data.includes('"error"'))) return content
  const value = parseJson(data) as { error?: unknown } | undefined
  const error = value?.error ?? (isNamedError ? value : undefined)
  if (error === undefined || error === null) return isNamedError ? failed(500) : content
  return failed(statusOf(error))
}

function failed(status: number): FirstEvent {
  return { state: 'error', status }
}

/** Statuses by the codes and types that OpenAI, Anthropic and their like give; what is not known is the upstream's own failure. */
const statuses: ReadonlyMap<unknown, number> = new Map([
  ['invalid_request_error', 400],
  ['context_length_exceeded', 400],
  ['content_filter', 400],
  ['content_policy_violation', 400],
  ['request_too_large', 413],
  ['invalid_api_key', 401],
  ['authentication_error', 401],
  ['permission_error', 403],
  ['not_found_error', 404],
  ['model_not_found', 404],
  ['insufficient_quota', 429],
  ['rate_limit_error', 429],
  ['rate_limit_exceeded', 429],
])

function statusOf(error: unknown): number {
  if (typeof error !== 'object' || error === null) return 500
  const { code, type } = error as { code?: unknown; type?: unknown }
  if (typeof code === 'number' && code >= 400 && code <= 599) return code
  return statuses.get(code) ?? statuses.get(type) ?? 500
}
