import { AppError } from '../../../lib/errors.ts'
import { isJsonObject, objectAt, textAt, type JsonObject } from '../wire/json.ts'
import { metaKeys } from '../wire/meta-keys.ts'
import {
  isLegacyVersion,
  isModernVersion,
  latestLegacyVersion,
  latestModernVersion,
  modernVersions,
} from '../wire/protocol-versions.ts'
import { rpcCodes, type RpcError } from '../wire/rpc-error.ts'
import {
  errorOf,
  makeNotification,
  makeRequest,
  resultOf,
  type RpcRequest,
  type RpcResponse,
} from '../wire/rpc-message.ts'
import type { ClientHello, Connection, ServerHello } from './connection.ts'
import { refusal } from './listeners.ts'

/** A connection whose server is not known yet. */
export type Unintroduced = Omit<Connection, 'hello'>

/** Whom a handshake is made with. */
export type HandshakePeer = Pick<Unintroduced, 'request' | 'notify'>

/** The connection with what its server said of itself. */
export function introduce(connection: Unintroduced, hello: ServerHello): Connection {
  return {
    era: hello.era,
    hello,
    attributesRequests: connection.attributesRequests,
    closed: connection.closed,
    get running() {
      return connection.running
    },
    request: (request, sink, options) => connection.request(request, sink, options),
    notify: (notification) => connection.notify(notification),
    listen: (listener) => connection.listen(listener),
    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
  }
}

/** The whole legacy handshake. Rejects with `upstream_failed`, `upstream_timeout`, or with what the connection failed of. */
export async function initialize(
  peer: HandshakePeer,
  client: ClientHello,
  signal: AbortSignal,
): Promise<ServerHello> {
  const hello = await sendInitialize(peer, client, signal)
  peer.notify(initialized)
  return hello
}

/** What ends the legacy handshake. */
export const initialized = makeNotification('notifications/initialized')

/** The first half of the legacy handshake, up to the answer. */
export async function sendInitialize(
  peer: HandshakePeer,
  { capabilities, clientInfo }: ClientHello,
  signal: AbortSignal,
): Promise<ServerHello> {
  const params = { protocolVersion: latestLegacyVersion, capabilities, clientInfo }
  const answer = await ask(peer, makeRequest('0', 'initialize', params), signal)
  const { error, result } = await readAnswer(answer)
  if (error !== undefined) throw refused('initialize', error)
  const protocolVersion = textAt(result, 'protocolVersion') ?? ''
  if (!isLegacyVersion(protocolVersion)) {
    throw new AppError('upstream_failed', 'The server speaks no revision that is spoken here.')
  }
  return { ...toHello(result), era: 'legacy', protocolVersion }
}

/** The modern handshake. Rejects as `initialize` does. */
export async function discover(
  peer: HandshakePeer,
  client: ClientHello,
  signal: AbortSignal,
): Promise<ServerHello> {
  const discovery = await tryDiscover(peer, client, signal)
  if (discovery.kind === 'refused') throw refused('server/discover', discovery.error)
  return discovery.hello
}

/** How a server took `server/discover`. */
export type Discovery =
  | { readonly kind: 'hello'; readonly hello: ServerHello }
  | { readonly kind: 'refused'; readonly error: RpcError }

/** Asks a server what it is, as the modern era does; once more where it names another revision. Rejects where it gives no answer. */
export async function tryDiscover(
  peer: HandshakePeer,
  client: ClientHello,
  signal: AbortSignal,
): Promise<Discovery> {
  const offered = latestModernVersion
  const first = await ask(peer, discoverRequest(offered, client), signal)
  const other = otherVersion((await readAnswer(first)).error, offered)
  if (other === undefined) return toDiscovery(first, offered)
  return toDiscovery(await ask(peer, discoverRequest(other, client), signal), other)
}

/** Revisions that a refusal says are supported. */
export function supportedVersions({ code, data }: RpcError): readonly string[] {
  const supported = isJsonObject(data) ? data['supported'] : undefined
  if (code !== rpcCodes.unsupportedVersion || !Array.isArray(supported)) return []
  return supported.filter((version) => typeof version === 'string')
}

function otherVersion(error: RpcError | undefined, offered: string): string | undefined {
  if (error === undefined) return undefined
  return supportedVersions(error).find((version) => isModernVersion(version) && version !== offered)
}

function discoverRequest(
  protocolVersion: string,
  { capabilities, clientInfo }: ClientHello,
): RpcRequest {
  const envelope = {
    [metaKeys.protocolVersion]: protocolVersion,
    [metaKeys.clientCapabilities]: capabilities,
    [metaKeys.clientInfo]: clientInfo,
  }
  return makeRequest('0', 'server/discover', { _meta: envelope })
}

async function toDiscovery(answer: RpcResponse, offered: string): Promise<Discovery> {
  const { error, result } = await readAnswer(answer)
  if (error !== undefined) return { kind: 'refused', error }
  const listed = result['supportedVersions']
  const common = Array.isArray(listed)
    ? modernVersions.find((version) => listed.includes(version))
    : undefined
  const protocolVersion = common ?? offered
  return { kind: 'hello', hello: { ...toHello(result), era: 'modern', protocolVersion } }
}

/** What an answer says. Rejects with `upstream_failed` where that cannot be read. */
function readAnswer(answer: RpcResponse) {
  return Promise.try(() => ({ error: errorOf(answer), result: resultOf(answer) })).catch(
    (cause: unknown) => {
      throw new AppError('upstream_failed', 'The answer of the server cannot be read.', { cause })
    },
  )
}

function toHello(result: JsonObject): Omit<ServerHello, 'era' | 'protocolVersion'> {
  const named = objectAt(objectAt(result, '_meta'), metaKeys.serverInfo)
  return {
    capabilities: objectAt(result, 'capabilities'),
    serverInfo: isJsonObject(result['serverInfo']) ? result['serverInfo'] : named,
    instructions: textAt(result, 'instructions'),
    result,
  }
}

function refused(method: string, cause: RpcError): AppError {
  return new AppError('upstream_failed', `The server refused ${method}, code ${cause.code}.`, {
    cause,
  })
}

/** Makes one call and waits for its answer, an error included. Rejects with the failure, or `upstream_timeout` when `signal` aborts; the call is cancelled then. */
function ask(peer: HandshakePeer, request: RpcRequest, signal: AbortSignal): Promise<RpcResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<RpcResponse>()
  if (signal.aborted) return Promise.reject(gaveUp(signal))
  const call = peer.request(request, {
    onNotification() {},
    // Nothing may be asked before the handshake is over.
    onRequest: (asked, respond) => respond(refusal(asked)),
    onResponse: resolve,
    onFailure: reject,
  })
  const abort = () => {
    call.cancel('timeout')
    reject(gaveUp(signal))
  }
  signal.addEventListener('abort', abort, { once: true })
  return promise.finally(() => signal.removeEventListener('abort', abort))
}

function gaveUp({ reason }: AbortSignal): AppError {
  if (reason instanceof AppError) return reason
  return new AppError('upstream_timeout', 'The server did not answer the handshake in time.', {
    cause: reason,
  })
}
