import { inspect } from 'node:util'

/** A secret value that prints as `[secret]` wherever it ends up by mistake; only `reveal` gives the text. */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** The text itself. Call it at the last moment, where the value is used. */
  reveal(): string {
    return this.#text
  }

  /** Says whether both hold the same text. For noticing a change of configuration, not for verifying a credential. */
  equals(other: Secret): boolean {
    return this.#text === other.#text
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [inspect.custom](): string {
    return '[secret]'
  }
}
