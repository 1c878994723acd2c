import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'

/** An HTTP client without manners: sends any bytes and keeps whatever comes back. */
export interface RawClient extends Disposable {
  readonly socket: Socket
  /** Everything received so far. */
  readonly received: Buffer
  /** Sends the bytes; strings are latin1. */
  send(...pieces: readonly (string | Buffer)[]): void
  /** Resolves once the text has been received. Rejects when the connection closes without it. */
  until(text: string): Promise<Buffer>
  /** Resolves with everything received, once the other end has closed or cut the connection. */
  readonly closed: Promise<Buffer>
}

/** Connects to a loopback port. Closing it cuts the connection. */
export async function openRawClient(port: number): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
  const chunks: Buffer[] = []
  const received = () => Buffer.concat(chunks)
  const closed = Promise.withResolvers<Buffer>()
  await once(socket, 'connect')
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.on('end', () => socket.end())
  // A reset is an ordinary end to what this client says.
  socket.on('error', () => {})
  socket.on('close', () => closed.resolve(received()))
  return {
    socket,
    closed: closed.promise,
    get received() {
      return received()
    },
    send: (...pieces) => {
      for (const piece of pieces) socket.write(piece, 'latin1')
    },
    until: (text) => {
      const found = Promise.withResolvers<Buffer>()
      const look = () => {
        if (received().includes(text)) found.resolve(received())
      }
      socket.on('data', look)
      socket.once('close', () =>
        found.reject(
          new Error(`Closed before ${JSON.stringify(text)} came: ${received().toString()}`),
        ),
      )
      look()
      return found.promise.finally(() => socket.off('data', look))
    },
    [Symbol.dispose]: () => {
      socket.destroy()
    },
  }
}

/** Sends the bytes on a connection of their own and resolves with all that came back, once the server has closed it. */
export async function exchangeRaw(
  port: number,
  ...pieces: readonly (string | Buffer)[]
): Promise<Buffer> {
  using client = await openRawClient(port)
  client.send(...pieces)
  return await client.closed
}

/** A request as bytes, with `host` and `connection: close`, and `content-length` where there is a body. */
export function formatRequest(
  requestLine: string,
  headers: Readonly<Record<string, string>> = {},
  body = '',
): string {
  const all: Record<string, string> = { host: '127.0.0.1', connection: 'close', ...headers }
  if (body !== '') all['content-length'] = String(Buffer.byteLength(body))
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${requestLine} HTTP/1.1\r\n${lines.join('')}\r\n${body}`
}
