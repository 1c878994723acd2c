import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

const lingerMs = 30_000

/**
 * Carries bytes between two connections, both ways, each as fast as the other end takes them.
 * The end of one direction is passed on and leaves the other open, for as long as something moves in it every 30 s;
 * a connection that breaks takes the other with it. Resolves when both are closed. Both must have `allowHalfOpen`.
 */
export async function joinSockets(one: Duplex, other: Duplex): Promise<void> {
  one.pipe(other)
  other.pipe(one)
  await Promise.all([settleWith(one, other), settleWith(other, one)])
}

function settleWith(socket: Duplex, partner: Duplex): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const onClose = () => {
    if (socket.readableEnded) finish(partner)
    else partner.destroy()
    resolve()
  }
  socket.once('end', () => {
    limitSilence(socket)
    limitSilence(partner)
  })
  if (socket.closed) onClose()
  else socket.once('close', onClose)
  return promise
}

/** Lets what is under way arrive, and drains what nobody will read any more, so that the end of it is noticed. */
function finish(socket: Duplex): void {
  socket.end()
  socket.resume()
}

function limitSilence(socket: Duplex): void {
  if ('setTimeout' in socket) (socket as Socket).setTimeout(lingerMs, () => socket.destroy())
}
