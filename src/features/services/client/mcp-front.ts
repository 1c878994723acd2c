import { AppError } from '../../../lib/errors.ts'
import type { Live } from '../../../lib/live.ts'
import { jsonAnswer, sendAnswer } from '../../../net/answer.ts'
import type { Exchange, UpgradeRequest } from '../../../net/exchange.ts'
import { ClientGone } from '../../../net/request-body.ts'
import { ActiveCalls } from './active-calls.ts'
import { authenticate } from './callers.ts'
import type { McpFrontConfig, McpFrontDependencies } from './front-dependencies.ts'
import { refuseWith, type FrontParts } from './front-parts.ts'
import { looksPlain, readPost } from './post-head.ts'
import { servePost } from './post.ts'
import { sendText } from './rpc-answer.ts'
import { serveSessionVerb } from './session-post.ts'
import { SessionTable } from './session-table.ts'
import { SocketConnections } from './socket-routes.ts'
import { SseConnections } from './sse-routes.ts'
import { createSweep } from './sweep.ts'

/** The transports that MCP clients connect to. Disposing of it ends every session and connection. */
export interface McpFront extends AsyncDisposable {
  /** Serves a request below `/mcp`; `rest` is the path behind that, `''` or beginning with `/`. The exchange is answered or destroyed, whatever happens. */
  handle(exchange: Exchange, rest: string): void
  /** Serves a WebSocket handshake below `/mcp`. */
  upgrade(request: UpgradeRequest, rest: string): void
  /** Calls under way. */
  readonly running: number
  /** Sessions and connections that are open, by transport. */
  readonly sessions: {
    readonly streamable: number
    /** Streams of them that are connected. */
    readonly streams: number
    readonly sse: number
    readonly webSocket: number
  }
  /** Ends what would stay open by itself: streams that wait for nothing in particular, HTTP+SSE, WebSockets. What is being answered goes on. */
  stop(): void
}

/** Creates the transports. */
export function createMcpFront(
  dependencies: McpFrontDependencies,
  config: Live<McpFrontConfig>,
): McpFront {
  let isStopping = false
  const sweep = createSweep(dependencies.clock)
  const sessions = new SessionTable(dependencies, config)
  const active = new ActiveCalls(dependencies.log)
  const front: FrontParts = {
    dependencies,
    config,
    sessions,
    active,
    sweep,
    isStopping: () => isStopping,
  }
  const sse = new SseConnections(front)
  const sockets = new SocketConnections(front)
  sweep.add(sessions)
  sweep.add(sse)
  sweep.add(sockets)
  const stop = () => {
    isStopping = true
    sessions.drain()
    active.drain()
    sse.end()
    sockets.end()
  }
  return {
    handle(exchange, rest) {
      serve(front, sse, { exchange, segments: segmentsOf(rest) }).catch((failure: unknown) => {
        if (failure instanceof ClientGone) exchange.res.destroy()
        else refuseWith(front, exchange, { failure })
      })
    },
    upgrade(request, rest) {
      request.note.plane = 'data'
      sockets.open(request, segmentsOf(rest))
    },
    get running() {
      let sum = active.size + sse.running + sockets.running
      for (const session of sessions.all()) sum += session.calls
      return sum
    },
    get sessions() {
      let streams = 0
      for (const session of sessions.all()) streams += session.streams
      return { streamable: sessions.size, streams, sse: sse.size, webSocket: sockets.size }
    },
    stop,
    async [Symbol.asyncDispose]() {
      stop()
      sweep[Symbol.dispose]()
      await sockets.cut()
      await sessions[Symbol.asyncDispose]()
      await active[Symbol.asyncDispose]()
    },
  }
}

function segmentsOf(rest: string): string[] {
  return rest.split('/').filter((segment) => segment !== '')
}

interface Arrival {
  readonly exchange: Exchange
  readonly segments: readonly string[]
}

async function serve(front: FrontParts, sse: SseConnections, arrival: Arrival): Promise<void> {
  const { exchange, segments } = arrival
  const { dependencies } = front
  exchange.note.plane = 'data'
  const foreign = dependencies.findForeignOrigin(exchange.req)
  if (foreign !== undefined) throw foreign
  const route = routeOf(exchange.req.method, segments)
  if (route === 'sse') return sse.open(exchange, segments.slice(0, -1))
  if (route === 'message') return sse.post(exchange)
  const caller = authenticate(dependencies, exchange)
  if (route === 'socket') throw new AppError('upgrade_required', 'This path is for WebSockets.')
  const resolved = dependencies.resolve(caller, segments, exchange.search)
  if (route === 'health') return serveHealth(front, exchange, resolved?.endpoint)
  if (resolved === undefined) return refuseUnknown(exchange, segments)
  const { endpoint } = resolved
  if (route === 'post') return servePost(front, readPost(exchange, caller, endpoint))
  serveSessionVerb(front, exchange, { caller, endpoint })
}

type Route = 'sse' | 'message' | 'socket' | 'health' | 'post' | 'session'

/** What is behind a name does not matter to a POST, so that only the last segment of these few paths has a meaning. */
function routeOf(method: string | undefined, segments: readonly string[]): Route {
  const last = segments.at(-1)
  if (method === 'POST') return last === 'message' && segments.length <= 2 ? 'message' : 'post'
  if (method !== 'GET') return 'session'
  if (last === 'sse') return 'sse'
  if (last === 'health' && segments.length > 1) return 'health'
  return last === 'ws' && segments.length === 1 ? 'socket' : 'session'
}

async function serveHealth(
  { dependencies }: FrontParts,
  exchange: Exchange,
  endpoint: Parameters<McpFrontDependencies['healthOf']>[0] | undefined,
): Promise<void> {
  if (endpoint === undefined) {
    return sendAnswer(exchange, 'data', jsonAnswer(404, { status: 'not_found' }))
  }
  const health = await dependencies.healthOf(endpoint)
  if (!exchange.res.destroyed) sendAnswer(exchange, 'data', jsonAnswer(200, health))
}

function refuseUnknown(exchange: Exchange, segments: readonly string[]): void {
  const text = `Service ${segments[0] ?? ''} not found`
  if (exchange.req.method !== 'POST' || !looksPlain(exchange)) throw new AppError('not_found', text)
  exchange.note.error = 'not_found'
  sendText(exchange, 404, { text })
}
