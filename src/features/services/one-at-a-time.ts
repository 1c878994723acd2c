/** Runs one piece of work after the other, in the order of asking; a failure concerns only who asked. */
export type OneAtATime = <Result>(work: () => Promise<Result>) => Promise<Result>

/** Creates an empty queue. Work that is given to it after all other is done when all other is. */
export function createOneAtATime(): OneAtATime {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const result = last.then(work)
    last = result.catch(() => undefined)
    return result
  }
}
