import { createBuiltinChannel } from './builtin/builtin-channel.ts'
import type { Connectors } from './instances/open-connection.ts'
import { openChannelConnection } from './upstream/channel-connection.ts'
import { openRemoteConnection } from './upstream/open-remote.ts'
import { openStdioConnection, probeStdioEra } from './upstream/stdio-channel.ts'
import type { UpstreamPools } from './upstream/upstream-pools.ts'

/** The ways to connect to servers. */
export function createConnectors(
  pools: UpstreamPools,
  config: () => { readonly messageBytesMax: number },
): Connectors {
  return {
    openStdio: openStdioConnection,
    probeStdio: (child, signal) => probeStdioEra(child, { signal }),
    openRemote: (target, options) =>
      openRemoteConnection(target, {
        ...options,
        pools,
        messageBytesMax: config().messageBytesMax,
      }),
    openBuiltin: async (server, options) =>
      openChannelConnection(await createBuiltinChannel(server), { ...options, era: 'legacy' }),
  }
}
