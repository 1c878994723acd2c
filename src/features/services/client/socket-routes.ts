import { randomUUID } from 'node:crypto'
import { WebSocketServer, type WebSocket } from 'ws'
import { AppError } from '../../../lib/errors.ts'
import type { UpgradeRequest } from '../../../net/exchange.ts'
import type { Caller } from '../caller.ts'
import type { Endpoint } from '../relay/relay.ts'
import { attempt } from './attempt.ts'
import { authenticate } from './callers.ts'
import { ChannelSession } from './channel-session.ts'
import type { FrontParts } from './front-parts.ts'
import { refuseUpgrade } from './rpc-answer.ts'
import { closeCodes, SocketChannel } from './socket-channel.ts'
import type { Swept } from './sweep.ts'

const subprotocol = 'mcp'

interface Connection {
  readonly channel: SocketChannel
  readonly session: ChannelSession
  readonly caller: Caller
}

/** What a handshake leads to. */
type Target =
  | { readonly kind: 'endpoint'; readonly endpoint: Endpoint; readonly caller: Caller }
  /** Accepted only to be told, as a frame, why not. */
  | { readonly kind: 'refusal'; readonly text: string }

/** The WebSockets of MCP clients: with the subprotocol `mcp` as the SDKs speak it, without it as plain JSON-RPC. */
export class SocketConnections implements Swept {
  readonly #front: FrontParts
  readonly #server: WebSocketServer
  readonly #connections = new Set<Connection>()

  constructor(front: FrontParts) {
    this.#front = front
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: front.config().bodyBytesMax,
      perMessageDeflate: false,
      handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
    })
  }

  get size(): number {
    return this.#connections.size
  }

  /** Calls under way. */
  get running(): number {
    let sum = 0
    for (const { session } of this.#connections) sum += session.running
    return sum
  }

  /** Takes a handshake; `segments` are those of the path below `/mcp`. */
  open(request: UpgradeRequest, segments: readonly string[]): void {
    const found = attempt(() => this.#find(request, segments))
    if (!found.isOk) return refuseUpgrade(request, found.error)
    const { req, socket, head } = request
    this.#server.handleUpgrade(req, socket, head, (webSocket) => {
      this.#accept(webSocket, request, found.value)
    })
  }

  sweep(now: number): void {
    for (const { channel, caller } of this.#connections) {
      if (caller.isUsable()) channel.keepAlive(now)
      else channel.close(closeCodes.unauthorized, 'The key does not work any more')
    }
  }

  /** Closes all of them in good order. */
  end(): void {
    for (const { channel } of this.#connections) channel.close(closeCodes.goingAway, 'Closing')
  }

  /** Cuts what does not close. */
  async cut(): Promise<void> {
    await Promise.all([...this.#connections].map(({ channel }) => channel[Symbol.asyncDispose]()))
  }

  #find(request: UpgradeRequest, segments: readonly string[]): Target {
    const { dependencies } = this.#front
    const foreign = dependencies.findForeignOrigin(request.req)
    if (foreign !== undefined) throw foreign
    const caller = authenticate(dependencies, request)
    this.#checkRoom(caller)
    const isOfSdk = offersSubprotocol(request)
    const named = serviceOf(request, segments)
    if (named === undefined && !isOfSdk) return { kind: 'refusal', text: 'Service ID required' }
    const path = named ?? []
    const endpoint = dependencies.resolve(caller, path, request.search)?.endpoint
    const problem = endpoint === undefined ? 'not found' : this.#problemOf(endpoint)
    const text = `Service ${path.join('/')} ${problem}`
    if (!isOfSdk && problem !== undefined) return { kind: 'refusal', text }
    if (endpoint === undefined) throw new AppError('not_found', text)
    return { kind: 'endpoint', endpoint, caller }
  }

  /** Why a plain client cannot be served; one of an SDK is told with its first request. */
  #problemOf(endpoint: Endpoint): string | undefined {
    const state = this.#front.dependencies.statusOf(endpoint)
    return state === 'stopped' || state === 'crashed' ? 'is not running' : undefined
  }

  #checkRoom(caller: Caller): void {
    if (this.#front.isStopping()) throw new AppError('overloaded', 'Portico is shutting down.')
    if (this.#countOf(caller) < this.#front.config().sessionsPerKeyMax) return
    throw new AppError('rate_limit_exceeded', 'The key has too many MCP connections open.')
  }

  #accept(socket: WebSocket, request: UpgradeRequest, target: Target): void {
    if (target.kind === 'refusal') {
      request.note.error = 'not_found'
      socket.on('error', () => socket.terminate())
      socket.send(JSON.stringify({ error: target.text }))
      socket.close(closeCodes.policyViolation, target.text.slice(0, 120))
      return
    }
    const { endpoint, caller } = target
    const { dependencies, active } = this.#front
    const channel = new SocketChannel(socket, dependencies.clock.elapsed())
    const onLost = () => channel.close(closeCodes.sessionLost, 'Session not found')
    const id = randomUUID()
    const session = new ChannelSession({
      channel,
      endpoint,
      caller,
      id,
      active,
      log: dependencies.log,
      onLost,
    })
    const connection = { channel, session, caller }
    this.#connections.add(connection)
    void session.run().then(() => this.#connections.delete(connection))
  }

  #countOf({ keyId }: Caller): number {
    let count = 0
    for (const { caller } of this.#connections) count += caller.keyId === keyId ? 1 : 0
    return count
  }
}

function offersSubprotocol({ req }: UpgradeRequest): boolean {
  const offered = req.headers['sec-websocket-protocol'] ?? ''
  return offered.split(',').some((name) => name.trim() === subprotocol)
}

/** The path of the service that is asked for: `/mcp/ws?service=` or `/mcp/{name}`; undefined where none is named. */
function serviceOf(request: UpgradeRequest, segments: readonly string[]): string[] | undefined {
  if (segments.length > 0 && segments[0] !== 'ws') return [...segments]
  const service = new URLSearchParams(request.search).get('service') ?? ''
  return service === '' ? undefined : [service]
}
