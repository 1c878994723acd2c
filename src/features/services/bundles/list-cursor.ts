import { RpcError, rpcCodes } from '../wire/rpc-error.ts'

/** Seals cursors, so that nobody makes up one of his own: a SecretBox. */
export interface Sealer {
  seal(text: string, context: string): string
  /** Throws for what it did not seal for this context. */
  open(sealed: string, context: string): string
}

/** Where the next page begins. */
export interface ListPosition {
  /** Entries on the pages before. */
  readonly offset: number
  /** The last of them, which says it better when the list has changed meanwhile. */
  readonly after: string
}

/** The cursor for a position. It works after a restart, and for nothing but `context`. */
export function writeCursor(sealer: Sealer, position: ListPosition, context: string): string {
  return sealer.seal(JSON.stringify([position.offset, position.after]), context)
}

/** Reads a cursor. Rejects with invalid params where it is none of ours, or belongs to another list. */
export async function readCursor(
  sealer: Sealer,
  cursor: unknown,
  context: string,
): Promise<ListPosition> {
  const bad = new RpcError(rpcCodes.invalidParams, 'Invalid cursor')
  if (typeof cursor !== 'string') throw bad
  const text = await Promise.try(() => sealer.open(cursor, context)).catch(() => {
    throw bad
  })
  const [offset, after] = JSON.parse(text) as [number, string]
  return { offset, after }
}

/** Index of the first entry of the page at `position`, in the list as it is now. */
export function startOf(names: readonly string[], { offset, after }: ListPosition): number {
  // Most often the list is the same, and the entry is where it was.
  if (names[offset - 1] === after) return offset
  const index = names.indexOf(after)
  return index < 0 ? offset : index + 1
}
