import { createUpstreamPools } from '../../src/features/services/upstream/upstream-pools.ts'
import {
  openRemoteConnection,
  type OpenedRemote,
  type OpenRemoteOptions,
  type RemoteServer,
} from '../../src/features/services/upstream/open-remote.ts'

/** An opened connection, with pools of its own that are closed after it. */
export interface TestRemote extends OpenedRemote, AsyncDisposable {
  readonly noise: readonly string[]
}

/** Connects to a server on loopback. */
export async function openRemote(
  url: string,
  options: Partial<OpenRemoteOptions & Omit<RemoteServer, 'url'>> = {},
): Promise<TestRemote> {
  const pools = createUpstreamPools()
  const noise: string[] = []
  const { transport = 'auto', allowPrivate = true, headers = () => [] } = options
  const opened = await openRemoteConnection(
    { url, transport, allowPrivate, headers },
    {
      pools,
      era: 'auto',
      client: { capabilities: {}, clientInfo: { name: 'test', version: '1' } },
      signal: AbortSignal.timeout(10_000),
      messageBytesMax: 1024 * 1024,
      onNoise: (text) => noise.push(text),
      ...options,
    },
  ).catch(async (error: unknown) => {
    await pools[Symbol.asyncDispose]()
    throw error
  })
  return {
    ...opened,
    noise,
    async [Symbol.asyncDispose]() {
      await opened.connection[Symbol.asyncDispose]()
      await pools[Symbol.asyncDispose]()
    },
  }
}
