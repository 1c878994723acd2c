const prefix = 'io.modelcontextprotocol/'

/** Names in `_meta` that revision 2026-07-28 gives a meaning. */
export const metaKeys = {
  protocolVersion: `${prefix}protocolVersion`,
  clientCapabilities: `${prefix}clientCapabilities`,
  clientInfo: `${prefix}clientInfo`,
  logLevel: `${prefix}logLevel`,
  serverInfo: `${prefix}serverInfo`,
  subscriptionId: `${prefix}subscriptionId`,
  /** Of ours, on the results of lists: the services that are missing from it, and why. */
  omitted: 'portico/omitted',
  /** Of ours, on requests of legacy servers: the key of the question in `inputRequests`. */
  inputKey: 'portico/inputKey',
} as const

/** The names that make up the envelope of a modern request; no legacy upstream is to see them. */
export const envelopeKeys: readonly string[] = [
  metaKeys.protocolVersion,
  metaKeys.clientCapabilities,
  metaKeys.clientInfo,
  metaKeys.logLevel,
]
