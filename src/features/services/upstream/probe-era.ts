import type { Channel } from '../wire/channel.ts'
import type { Era } from '../wire/protocol-versions.ts'
import { rpcCodes } from '../wire/rpc-error.ts'
import { createChannelConnection } from './channel-connection.ts'
import type { ClientHello } from './connection.ts'
import { tryDiscover, type Discovery } from './handshake.ts'

/** How long and as whom a server is probed. */
export interface ProbeOptions {
  /** Gives up the probe, which then rejects. */
  readonly signal?: AbortSignal | undefined
  /** A server that is silent for so long is of the legacy era. */
  readonly timeoutMs?: number | undefined
  readonly client?: ClientHello | undefined
}

const probeTimeoutMs = 5_000
const anonymous: ClientHello = { capabilities: {}, clientInfo: { name: 'portico', version: '0' } }

/** Errors that only a modern server gives. */
const modernCodes: ReadonlySet<number> = new Set([
  rpcCodes.headerMismatch,
  rpcCodes.missingCapability,
  rpcCodes.unsupportedVersion,
])

/** Says whether only a modern server refuses in this way. */
export function isModernRefusal(discovery: Discovery): boolean {
  return discovery.kind === 'refused' && modernCodes.has(discovery.error.code)
}

/**
 * Finds out which era the server behind a channel speaks: modern where it answers `server/discover` or refuses it as only
 * a modern server does; legacy where it gives any other error, says nothing, or goes away. The channel is disposed of:
 * a legacy server may not survive the question.
 */
export async function probeChannelEra(
  channel: Channel,
  { signal, timeoutMs = probeTimeoutMs, client = anonymous }: ProbeOptions = {},
): Promise<Era> {
  await using connection = createChannelConnection(channel, { era: 'modern', onNoise() {} })
  const deadline = AbortSignal.timeout(timeoutMs)
  const either = signal === undefined ? deadline : AbortSignal.any([signal, deadline])
  const discovery = await tryDiscover(connection, client, either).catch(() => undefined)
  signal?.throwIfAborted()
  if (discovery === undefined) return 'legacy'
  return discovery.kind === 'hello' || isModernRefusal(discovery) ? 'modern' : 'legacy'
}
