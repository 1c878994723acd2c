/** Runs one piece of work at a time, in the order of asking; a failure concerns only who asked. */
export type Exclusive = <Result>(work: () => Promise<Result>) => Promise<Result>

/** Creates an empty queue of work. */
export function createExclusive(): Exclusive {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const result = last.then(work)
    last = result.catch(() => undefined)
    return result
  }
}
