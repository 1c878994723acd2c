import type { BodyTransform } from './body-transform.ts'

/**
 * Masks a credential of ours wherever an upstream repeats it in an error, also across chunks. The mask is as long as
 * what it covers, so that the length the upstream announced stays true.
 */
export class CredentialMask implements BodyTransform {
  readonly #secret: Buffer
  readonly #mask: Buffer
  /** The end of what has come, where an occurrence may have begun. */
  #carried: Buffer = Buffer.alloc(0)

  constructor(secret: string) {
    this.#secret = Buffer.from(secret)
    this.#mask = Buffer.alloc(this.#secret.length, '*')
  }

  push(chunk: Buffer): Buffer {
    const bytes = this.#masked(Buffer.concat([this.#carried, chunk]))
    const safe = Math.max(0, bytes.length - (this.#secret.length - 1))
    this.#carried = bytes.subarray(safe)
    return bytes.subarray(0, safe)
  }

  end(): Buffer {
    const rest = this.#carried
    this.#carried = Buffer.alloc(0)
    return rest
  }

  #masked(bytes: Buffer): Buffer {
    for (let at = bytes.indexOf(this.#secret); at >= 0; at = bytes.indexOf(this.#secret, at)) {
      this.#mask.copy(bytes, at)
    }
    return bytes
  }
}
