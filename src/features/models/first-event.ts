import { firstEventEnd } from '../../net/sse-boundary.ts'

/** What the beginning of a stream tells: nothing yet, that the upstream failed after all, or that the answer has begun. */
export type FirstEvent = 'incomplete' | 'error' | 'content'

/** A first event longer than this has certainly begun the answer. */
const firstEventBytesMax = 64 * 1024

/** Looks for the first event with data in the beginning of a stream. Comments and empty events tell nothing. */
export function inspectFirstEvent(bytes: Buffer): FirstEvent {
  let from = 0
  for (;;) {
    const end = firstEventEnd(bytes, from)
    if (end < 0) return bytes.length - from > firstEventBytesMax ? 'content' : 'incomplete'
    const verdict = judge(bytes.toString('utf8', from, end))
    if (verdict !== undefined) return verdict
    from = end
  }
}

function judge(event: string): FirstEvent | undefined {
  const data = event
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice('data:'.length))
    .join('\n')
    .trim()
  if (data === '') return undefined
  if (/^event:\s*error\s*$/m.test(event)) return 'error'
  return isErrorObject(data) ? 'error' : 'content'
}

/** An error object, told from an answer by its own top-level `error` member. */
function isErrorObject(data: string): boolean {
  if (!data.startsWith('{') || !data.includes('"error"')) return false
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch {
    return false
  }
  const error = (value as { error?: unknown }).error
  return error !== undefined && error !== null
}
