import { AppError } from '../../../lib/errors.ts'
import { parseOutboundUrl } from '../../../net/address-guard.ts'
import type { Era } from '../wire/protocol-versions.ts'
import { isLegacyVersion, isModernVersion } from '../wire/protocol-versions.ts'
import { openChannelConnection } from './channel-connection.ts'
import type { ClientHello, Connection, ConnectionListener } from './connection.ts'
import { introduce, supportedVersions, tryDiscover, type Discovery } from './handshake.ts'
import type { HttpServer } from './http/http-server.ts'
import { openSessionConnection } from './http/session-connection.ts'
import { createStatelessConnection } from './http/stateless-connection.ts'
import { isModernRefusal, probeChannelEra } from './probe-era.ts'
import { openSseChannel } from './sse-channel.ts'
import type { PoolShare, UpstreamPools } from './upstream-pools.ts'
import { openWebSocketChannel } from './websocket-channel.ts'

/** How a remote server is spoken with. */
type RemoteTransport = 'streamable-http' | 'sse' | 'websocket'

/** Where a remote server is. */
export interface RemoteServer {
  readonly url: string
  /** `auto` finds out; a `ws:` or `wss:` URL is always a WebSocket. */
  readonly transport: RemoteTransport | 'auto'
  /** The very host and port of the URL may be private. */
  readonly allowPrivate: boolean
  /** Configured headers, flat list name, value, …; asked before each request. Nothing else is passed on. */
  readonly headers: () => readonly string[]
}

/** What was found out of a server. */
interface RemoteVerdict {
  readonly era: Era
  readonly transport: RemoteTransport
}

/** How a connection to a remote server is opened. */
export interface OpenRemoteOptions {
  readonly pools: UpstreamPools
  /** `auto` finds out. */
  readonly era: Era | 'auto'
  /** What was found out before, to be tried first. Whoever remembers a legacy verdict forgets it now and then: it never fails by itself. */
  readonly remembered?: RemoteVerdict | undefined
  readonly client: ClientHello
  /** Hears the server from its first message on. */
  readonly listener?: ConnectionListener | undefined
  /** Gives up finding out and the handshake, not the connection. */
  readonly signal: AbortSignal
  readonly messageBytesMax: number
  /** Hears what is no JSON-RPC, shortened. It is skipped. */
  readonly onNoise: (text: string) => void
}

/** A connection, and how it was made: its era is in it. */
export interface OpenedRemote {
  readonly connection: Connection
  readonly transport: RemoteTransport
}

/**
 * Connects to a remote MCP server, finding out era and transport where they are not given: `server/discover` first, then
 * `initialize`, then the GET of HTTP with SSE; each step only where the server answers the one before with a status that
 * says that it knows no such thing. Whoever opens the connection disposes of it.
 * Rejects with `invalid_request` or `destination_not_allowed` for the URL, `upstream_unreachable`, `upstream_timeout` when
 * `signal` aborts, and `upstream_failed` for all that the server does wrong.
 */
export async function openRemoteConnection(
  remote: RemoteServer,
  options: OpenRemoteOptions,
): Promise<OpenedRemote> {
  const schemes = schemesOf(remote.transport)
  const { allowPrivate } = remote
  const url = parseOutboundUrl(remote.url, { schemes, anyPort: true, allowPrivate })
  if (url.protocol.startsWith('ws')) return openByWebSocket(remote, url, options)
  const share = options.pools.acquire(url, { allowPrivate })
  const attempt = new HttpAttempt(url, { remote, share, options })
  const opened = await attempt.open().catch((error: unknown) => {
    share.release()
    throw error
  })
  void opened.connection.closed.then(() => share.release())
  return opened
}

function schemesOf(transport: RemoteServer['transport']): readonly string[] {
  const web = ['https', 'http']
  const sockets = ['wss', 'ws']
  if (transport === 'auto') return [...web, ...sockets]
  return transport === 'websocket' ? sockets : web
}

async function openByWebSocket(
  remote: RemoteServer,
  url: URL,
  options: OpenRemoteOptions,
): Promise<OpenedRemote> {
  const { signal, client, remembered } = options
  const { resolve } = options.pools
  const server = { ...options, ...remote, url, resolve }
  const open = () => openWebSocketChannel(server, signal)
  const known = options.era === 'auto' ? remembered?.era : options.era
  // On a socket of its own: a legacy server may not survive the question.
  const era = known ?? (await probeChannelEra(await open(), { signal, client }))
  const connection = await openChannelConnection(await open(), { ...options, era })
  return { connection, transport: 'websocket' }
}

/** Statuses that say that what was asked does not exist here. */
const unknownStatuses: ReadonlySet<number> = new Set([400, 404, 405, 406, 415])

class HttpAttempt {
  readonly #remote: RemoteServer
  readonly #options: OpenRemoteOptions
  readonly #server: HttpServer
  /** Status of the last answer; undefined where there was none. */
  #status: number | undefined

  constructor(
    url: URL,
    given: { remote: RemoteServer; share: PoolShare; options: OpenRemoteOptions },
  ) {
    const { remote, share, options } = given
    this.#remote = remote
    this.#options = options
    this.#server = {
      upstream: share.upstream,
      url,
      headers: remote.headers,
      messageBytesMax: options.messageBytesMax,
      onNoise: options.onNoise,
      onStatus: (status) => void (this.#status = status),
    }
  }

  async open(): Promise<OpenedRemote> {
    const { remembered, era } = this.#options
    const fits = remembered !== undefined && this.#allows(remembered)
    if (!fits) return this.#openAs({ era, transport: this.#remote.transport })
    return this.#openAs(remembered).catch((error: unknown) => {
      // Only what speaks another protocol is worth another look.
      if (!isInconclusive(this.#status)) throw error
      return this.#openAs({ era, transport: this.#remote.transport })
    })
  }

  #allows({ era, transport }: RemoteVerdict): boolean {
    const isEra = this.#options.era === 'auto' || this.#options.era === era
    const isTransport = this.#remote.transport === 'auto' || this.#remote.transport === transport
    return isEra && isTransport && transport !== 'websocket'
  }

  #openAs(wanted: { era: Era | 'auto'; transport: RemoteServer['transport'] }) {
    const { era, transport } = wanted
    if (transport === 'sse') return this.#openSse()
    return era === 'legacy' ? this.#openLegacy(transport) : this.#openModern(wanted)
  }

  async #openModern({
    era,
    transport,
  }: {
    era: Era | 'auto'
    transport: RemoteServer['transport']
  }): Promise<OpenedRemote> {
    this.#status = undefined
    const { client, signal } = this.#options
    const connection = createStatelessConnection(this.#server)
    const asked = tryDiscover(connection, client, signal)
    const discovery = await asked.catch((error: AppError) => ({ kind: 'failed', error }) as const)
    if (discovery.kind === 'hello') {
      return {
        connection: introduce(connection, discovery.hello),
        transport: 'streamable-http',
      }
    }
    await connection[Symbol.asyncDispose]()
    const mayBeLegacy =
      era === 'auto' &&
      (discovery.kind === 'failed' ? isInconclusive(this.#status) : this.#mayBeLegacy(discovery))
    if (mayBeLegacy) return this.#openLegacy(transport)
    throw discovery.kind === 'failed' ? discovery.error : refused(discovery)
  }

  #mayBeLegacy(discovery: Extract<Discovery, { kind: 'refused' }>): boolean {
    if (!isInconclusive(this.#status)) return false
    const supported = supportedVersions(discovery.error)
    const isOld = supported.some(isLegacyVersion) && !supported.some(isModernVersion)
    return isOld || !isModernRefusal(discovery)
  }

  async #openLegacy(transport: RemoteServer['transport']): Promise<OpenedRemote> {
    let initializeStatus: number | undefined
    const onStatus = (status: number) => {
      initializeStatus ??= status
      this.#status = initializeStatus
    }
    const server = { ...this.#server, onStatus }
    return openSessionConnection(server, this.#options).then(
      (connection) => ({ connection, transport: 'streamable-http' }),
      (error: unknown) => {
        const isUnknown = initializeStatus !== undefined && unknownStatuses.has(initializeStatus)
        if (transport !== 'auto' || !isUnknown) throw error
        return this.#openSse()
      },
    )
  }

  async #openSse(): Promise<OpenedRemote> {
    this.#status = undefined
    const channel = await openSseChannel(this.#server, this.#options.signal)
    const connection = await openChannelConnection(channel, { ...this.#options, era: 'legacy' })
    return { connection, transport: 'sse' }
  }
}

/** Says whether a status leaves open what the server speaks. Refused credentials and failures prove nothing, and end the search. */
function isInconclusive(status: number | undefined): boolean {
  return status !== undefined && (status < 300 || unknownStatuses.has(status))
}

function refused({ error: cause }: Extract<Discovery, { kind: 'refused' }>): AppError {
  const message = `The server refused server/discover, code ${cause.code}.`
  return new AppError('upstream_failed', message, { cause })
}
