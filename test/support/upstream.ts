import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { openAiSurface } from './upstream-answers.ts'

/** One request as the upstream received it. Recorded when its headers arrive; the body fills as a behaviour receives it. */
export interface RecordedRequest {
  readonly method: string
  /** Path and query exactly as they stood in the request line. */
  readonly url: string
  /** Flat list name, value, … in the sender's own spelling and order. */
  readonly rawHeaders: readonly string[]
  /** The value of a header, by lower-case name; `undefined` when it did not come. */
  header(name: string): string | undefined
  /** What has arrived of the body so far. */
  readonly body: Buffer
  /** The body parsed as JSON. */
  json(): Record<string, unknown>
  /** The body parsed as `multipart/form-data`. */
  form(): Promise<FormData>
  /** Resolves with `performance.now()` once the caller has gone before its answer was complete. Never rejects. */
  readonly abandoned: Promise<number>
}

/** One request in the hands of a behaviour, which owes it an answer, or an accident. */
export interface UpstreamCall {
  readonly request: RecordedRequest
  readonly req: IncomingMessage
  readonly res: ServerResponse
  /** For answers that `node:http` is too polite to give. */
  readonly socket: Socket
  /** Fires when the caller has gone. */
  readonly gone: AbortSignal
  /** Reads the whole body; whoever never calls this leaves the sender blocked. */
  readonly receive: () => Promise<Buffer>
}

/** What the upstream does with one request. Called when the headers have arrived. */
export type Behaviour = (call: UpstreamCall) => void | Promise<void>

/** A provider on the far side: a real server on loopback that does as it is told and remembers what it was asked. */
export interface Upstream extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`, without `/v1`. */
  readonly url: string
  readonly port: number
  /** Every request so far, in the order of arrival. */
  readonly requests: readonly RecordedRequest[]
  /** Every WebSocket handshake so far. The socket is accepted and echoes. */
  readonly upgrades: readonly IncomingMessage[]
  /** How many connections have been opened to it. */
  readonly connections: number
  /** Takes the behaviours for the next requests, in this order; the last one stays for all that follow. */
  script(...behaviours: [Behaviour, ...Behaviour[]]): void
  /** Resolves with request number `ordinal` (from 1, counted since the start) once its headers are here. */
  arrival(ordinal: number): Promise<RecordedRequest>
}

/**
 * Starts an upstream on a free loopback port that answers like OpenAI until it is scripted otherwise.
 * Closing it cuts every connection, and throws what a behaviour threw while its caller was still there.
 */
export async function startUpstream(): Promise<Upstream> {
  const requests: RecordedRequest[] = []
  const waiting = new Map<number, PromiseWithResolvers<RecordedRequest>>()
  const accidents: unknown[] = []
  let behaviours: readonly Behaviour[] = [openAiSurface()]
  let connections = 0

  const server = createServer({ requestTimeout: 0, headersTimeout: 0 })
  const { upgrades, sockets } = acceptWebSockets(server)
  server.on('connection', () => (connections += 1))
  const take = (req: IncomingMessage, res: ServerResponse) => {
    const call = record(req, res)
    requests.push(call.request)
    waiting.get(requests.length)?.resolve(call.request)
    const behaviour = behaviours[0] ?? openAiSurface()
    if (behaviours.length > 1) behaviours = behaviours.slice(1)
    Promise.resolve(call)
      .then(behaviour)
      .catch((error: unknown) => {
        if (!call.gone.aborted) accidents.push(error)
        res.destroy()
      })
  }
  server.on('request', take)
  // Whoever expects "100 Continue" gets it the moment a behaviour reads the body.
  server.on('checkContinue', take)

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    upgrades,
    get connections() {
      return connections
    },
    script: (...next) => {
      behaviours = next
    },
    arrival: async (ordinal) => {
      const present = requests[ordinal - 1]
      if (present) return present
      const pending = waiting.get(ordinal) ?? Promise.withResolvers<RecordedRequest>()
      waiting.set(ordinal, pending)
      return pending.promise
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
      if (accidents.length > 0) throw new AggregateError(accidents, 'The upstream itself failed')
    },
  }
}

function record(req: IncomingMessage, res: ServerResponse): UpstreamCall {
  const chunks: Buffer[] = []
  const gone = new AbortController()
  const abandoned = Promise.withResolvers<number>()
  res.on('close', () => {
    if (res.writableFinished) return
    abandoned.resolve(performance.now())
    gone.abort()
  })
  const request: RecordedRequest = {
    method: req.method ?? '',
    url: req.url ?? '',
    rawHeaders: req.rawHeaders,
    header: (name) => {
      const value = req.headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    },
    get body() {
      return Buffer.concat(chunks)
    },
    json: () => JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>,
    form: () =>
      new Response(new Uint8Array(Buffer.concat(chunks)), {
        headers: { 'content-type': req.headers['content-type'] ?? '' },
      }).formData(),
    abandoned: abandoned.promise,
  }
  let received: Promise<Buffer> | undefined
  return {
    request,
    req,
    res,
    socket: req.socket,
    gone: gone.signal,
    receive: () => (received ??= collect(req, res, chunks)),
  }
}

async function collect(req: IncomingMessage, res: ServerResponse, chunks: Buffer[]) {
  if (req.headers.expect !== undefined) res.writeContinue()
  for await (const chunk of req) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function acceptWebSockets(server: ReturnType<typeof createServer>) {
  const upgrades: IncomingMessage[] = []
  const sockets = new Set<Duplex>()
  const acceptor = new WebSocketServer({ noServer: true })
  server.on('upgrade', (req, socket, head) => {
    upgrades.push(req)
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    acceptor.handleUpgrade(req, socket, head, (ws) => {
      ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }))
    })
  })
  return { upgrades, sockets }
}
