import { AppError } from '../../../lib/errors.ts'

/** A client whose calls outlive its requests could pile up any number of them. */
const callsMax = 1_000

/** Throws `overloaded` where a session or connection has so many calls under way that another one has to wait. */
export function requireCallRoom(running: number): void {
  if (running < callsMax) return
  const message = 'The client waits for as many answers as it may.'
  throw new AppError('overloaded', message, { retryAfterMs: 1_000 })
}
