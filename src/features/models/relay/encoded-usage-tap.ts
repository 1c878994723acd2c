import { decodeContent } from '../../../net/content-decoding.ts'
import { UsageTap } from './usage-tap.ts'
import type { AnswerTap, TokenUsage } from './usage-tap.ts'

/** An answer beyond this would take too long to decode at once. */
const encodedBytesMax = 512 * 1024
const decodedBytesMax = 4 * 1024 * 1024

/** The tap for an answer of that `content-encoding`. */
export function tapFor(encoding: string | undefined): AnswerTap {
  return encoding === undefined ? new UsageTap() : new EncodedUsageTap(encoding)
}

/** The tap of an answer that was compressed although nobody asked for it: it passes as it is, and a copy is read at its end. */
class EncodedUsageTap implements AnswerTap {
  readonly #encoding: string
  #copy: Buffer[] = []
  chunks = 0
  bytes = 0

  constructor(encoding: string) {
    this.#encoding = encoding
  }

  push(chunk: Buffer): void {
    this.chunks += 1
    this.bytes += chunk.length
    if (this.bytes <= encodedBytesMax) this.#copy.push(chunk)
    else this.#copy = []
  }

  hasClosingEvent(): boolean {
    return true
  }

  read(): TokenUsage | undefined {
    if (this.bytes === 0 || this.#copy.length === 0) return undefined
    const text = decodeContent(Buffer.concat(this.#copy), this.#encoding, decodedBytesMax)
    if (text === undefined) return undefined
    const tap = new UsageTap()
    tap.push(text)
    return tap.read()
  }
}
