import { AppError } from '../../../lib/errors.ts'
import type { Channel } from '../wire/channel.ts'

/** How much may wait on the way. */
export interface PipeOptions {
  /** Bytes that one end does not take while the other sends on. Beyond it both are closed. */
  readonly pendingBytesMax: number
}

/**
 * Passes the messages of two channels to each other, byte for byte and in order, until one is closed; then closes the
 * other. Owns both. Resolves when both are closed, with the reason where there is one: `overloaded` where one end sent
 * faster than the other took.
 */
export async function pipeChannels(
  one: Channel,
  other: Channel,
  { pendingBytesMax }: PipeOptions,
): Promise<AppError | undefined> {
  const overrun = Promise.withResolvers<AppError>()
  const pass = (from: Channel, to: Channel): void => {
    let pendingBytes = 0
    from.receive((bytes) => {
      const sent = to.send(bytes)
      if (sent === undefined) return
      pendingBytes += bytes.length
      if (pendingBytes > pendingBytesMax) overrun.resolve(tooSlow())
      const settle = (): void => {
        pendingBytes -= bytes.length
      }
      // A send that fails is followed by the end of its channel, which has the reason.
      sent.then(settle, settle)
    })
  }
  pass(one, other)
  pass(other, one)
  const reason = await Promise.race([one.closed, other.closed, overrun.promise])
  await Promise.all([one[Symbol.asyncDispose](), other[Symbol.asyncDispose]()])
  return reason
}

function tooSlow(): AppError {
  return new AppError('overloaded', 'One end of the connection does not take what the other sends.')
}
