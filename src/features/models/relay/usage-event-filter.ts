import { firstEventEnd, lastEventEnd } from '../../../net/sse-boundary.ts'

const emptyChoices = /"choices"\s*:\s*\[\s*\]/

/** An upstream that sends one event longer than this is passed on unfiltered. */
const pendingBytesMax = 1024 * 1024

/**
 * Takes the one event out of a chat stream that exists only because usage was asked for on the client's behalf:
 * empty `choices` and a `usage` object. All other bytes pass as they are, whole events at a time.
 */
export class UsageEventFilter {
  #pending: Buffer | undefined

  /** The bytes that may go out. */
  push(chunk: Buffer): Buffer {
    const bytes = this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk])
    const end = lastEventEnd(bytes)
    if (end === 0 && bytes.length > pendingBytesMax) {
      this.#pending = undefined
      return bytes
    }
    this.#pending = end === bytes.length ? undefined : bytes.subarray(end)
    const complete = end === bytes.length ? bytes : bytes.subarray(0, end)
    return mayHoldUsageEvent(complete) ? withoutUsageEvents(complete) : complete
  }

  /** What is left when the stream ends in the middle of an event. */
  end(): Buffer {
    const rest = this.#pending ?? Buffer.alloc(0)
    this.#pending = undefined
    return rest
  }
}

function mayHoldUsageEvent(bytes: Buffer): boolean {
  return bytes.includes('"usage"') && emptyChoices.test(bytes.toString('latin1'))
}

function withoutUsageEvents(bytes: Buffer): Buffer {
  const kept: Buffer[] = []
  let from = 0
  while (from < bytes.length) {
    const end = firstEventEnd(bytes, from)
    const event = bytes.subarray(from, end < 0 ? bytes.length : end)
    if (!isUsageEvent(event)) kept.push(event)
    from += event.length
  }
  return Buffer.concat(kept)
}

function isUsageEvent(event: Buffer): boolean {
  const text = event.toString('latin1')
  return emptyChoices.test(text) && /"usage"\s*:\s*\{/.test(text)
}
