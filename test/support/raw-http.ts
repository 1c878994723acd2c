import { once } from 'node:events'
import type { Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'

/** What came back on a raw connection until the server closed it. */
export interface RawAnswer {
  readonly text: string
  /** Status of the first response; 0 if none came. */
  readonly status: number
  /** False if it was given up because nothing came any more. */
  readonly closedByServer: boolean
}

/** Listens on a free loopback port and gives its number. */
export async function listenOnLoopback(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const silenceMs = 5_000

/** Sends bytes as they are and reads what the server answers until it closes; well-formed requests therefore ask for `Connection: close`. */
export async function sendRaw(port: number, bytes: string): Promise<RawAnswer> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.on('error', () => resolve(true))
  socket.on('end', () => resolve(true))
  socket.setTimeout(silenceMs, () => resolve(false))
  socket.write(bytes, 'latin1')
  const closedByServer = await promise
  socket.destroy()
  const text = Buffer.concat(chunks).toString('latin1')
  return { text, status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0), closedByServer }
}
