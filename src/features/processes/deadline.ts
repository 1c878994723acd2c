/** Resolves to whether `promise` is fulfilled within `timeoutMs`. The timer keeps the process alive until then. */
export async function isDoneWithin(promise: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  const { promise: timedOut, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(resolve, timeoutMs, false)
  return await Promise.race([promise.then(() => true), timedOut]).finally(() => clearTimeout(timer))
}
