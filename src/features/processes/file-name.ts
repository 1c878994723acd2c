import { createHash } from 'node:crypto'

const plainName = /^[a-z0-9_-]{1,100}$/

/** A name for a file or folder of `owner`: the same text where that is harmless, else one that differs for each owner. */
export function toFileName(owner: string): string {
  if (plainName.test(owner)) return owner
  const readable = owner.replaceAll(/[^\w-]+/g, '-').slice(0, 60)
  return `${readable}.${createHash('sha256').update(owner).digest('hex').slice(0, 16)}`
}
