/** Messages on their way to a reader that may come later: the receiving half of a channel. */
export interface HeldMessages {
  /** Hands one over, or keeps it until there is a reader. */
  push(bytes: Buffer): void
  /** Takes what was kept, then all that follows. Called once. */
  receive(onMessage: (bytes: Buffer) => void): void
  /** How many are kept. */
  readonly count: number
}

/** Makes an empty one. */
export function createHeldMessages(): HeldMessages {
  let held: Buffer[] = []
  let deliver = (bytes: Buffer): void => {
    held.push(bytes)
  }
  return {
    get count() {
      return held.length
    },
    push: (bytes) => deliver(bytes),
    receive(onMessage) {
      const kept = held
      held = []
      deliver = onMessage
      for (const bytes of kept) onMessage(bytes)
    },
  }
}
