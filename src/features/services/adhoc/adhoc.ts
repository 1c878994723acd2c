import type { IncomingMessage } from 'node:http'
import { parseOutboundUrl } from '../../../net/address-guard.ts'
import type { Config } from '../../../config/schema.ts'
import type { AppError } from '../../../lib/errors.ts'
import type { Live } from '../../../lib/live.ts'
import type { Log } from '../../../lib/log.ts'
import type { Exchange } from '../../../net/exchange.ts'
import { writeAudit } from '../../../store/audit.ts'
import type { Store } from '../../../store/store.ts'
import type { CommandApprovals as StoredApprovals } from '../administration/command-approvals.ts'
import type { Caller } from '../caller.ts'
import type { ProcessHost } from '../process-host.ts'
import { openSseChannel } from '../upstream/sse-channel.ts'
import { createStdioChannel } from '../upstream/stdio-channel.ts'
import type { UpstreamPools } from '../upstream/upstream-pools.ts'
import type { Channel } from '../wire/channel.ts'
import { createAdhocProxy, type AdhocAuditEntry, type OpenSse } from './adhoc-proxy.ts'
import type { CommandApprovals, CommandInQuestion } from './command-approvals.ts'
import { pipeChannels } from './pipe-channels.ts'

/** What the proxy is put together from. */
export interface AdhocDependencies {
  readonly store: Store
  readonly log: Log
  readonly host: ProcessHost
  readonly approvals: StoredApprovals
  readonly pools: UpstreamPools
  readonly findForeignOrigin: (req: IncomingMessage) => AppError | undefined
  readonly isOwnKey: (text: string) => boolean
}

/** Connections to servers that the request itself names, under the name `proxy`. */
export interface Adhoc {
  /** Resolves with what takes the client's end; undefined for any other name. Rejects with what the client is to be refused with. */
  route(
    name: string,
    exchange: Exchange,
    caller: Caller,
  ): Promise<(channel: Channel) => void> | undefined
}

const pendingBytesMax = 16 * 1024 * 1024
const connectMs = 10_000

/** Puts the proxy together. */
export function createAdhoc(deps: AdhocDependencies, config: Live<Config['services']>): Adhoc {
  const { store, log } = deps
  const proxy = createAdhocProxy(
    {
      ...deps,
      approvals: judging(deps.approvals),
      refuseOrigin: deps.findForeignOrigin,
      openStdio: (child) => createStdioChannel(child),
      openSse: sseOpener(deps.pools, config),
      audit: (entry) => {
        keepTrail(store, entry).catch((error: unknown) => log.error({ err: error }, 'not audited'))
      },
    },
    config,
  )
  return {
    route(name, exchange, caller) {
      if (name !== 'proxy') return undefined
      return proxy
        .open(new URLSearchParams(exchange.search), exchange, caller)
        .then((server) => (client: Channel) => {
          pipeChannels(client, server, { pendingBytesMax }).catch((error: unknown) => {
            log.error({ err: error }, 'a connection to an ad-hoc server did not end in good order')
          })
        })
    },
  }
}

function judging(approvals: StoredApprovals): CommandApprovals {
  const asked = ({ command, args, envNames, isSandboxed }: CommandInQuestion) => ({
    command,
    args,
    envNames,
    cwd: null,
    sandbox: isSandboxed,
  })
  return {
    async find(question, { workspaceId }) {
      if (approvals.find(workspaceId, asked(question)) !== 'approved') return undefined
      // Nobody approved that it may reach the network that this machine is in.
      return { id: await approvals.request(workspaceId, asked(question)), network: false }
    },
    request: async (question, { workspaceId }) => ({
      id: await approvals.request(workspaceId, asked(question)),
    }),
  }
}

function sseOpener(pools: UpstreamPools, config: Live<Config['services']>): OpenSse {
  return async (target, { headers, publicOnly }) => {
    const allowPrivate = !publicOnly
    const url = parseOutboundUrl(target.href, {
      schemes: ['http', 'https'],
      anyPort: true,
      allowPrivate,
    })
    const share = pools.acquire(url, { allowPrivate })
    const flat = Object.entries(headers).flat()
    const channel = await openSseChannel(
      {
        upstream: share.upstream,
        url,
        headers: () => flat,
        messageBytesMax: config().messageBytesMax,
        onNoise: () => undefined,
      },
      AbortSignal.timeout(connectMs),
    ).catch((error: unknown) => {
      share.release()
      throw error
    })
    void channel.closed.then(() => share.release())
    return channel
  }
}

async function keepTrail(store: Store, entry: AdhocAuditEntry): Promise<void> {
  const { keyId, workspaceId, requestId, ip, ...after } = entry
  await store.db.transaction().execute((trx) =>
    writeAudit(trx, {
      workspaceId,
      requestId,
      ip,
      after,
      actor: keyId,
      action: `service.adhoc.${entry.transport}`,
      targetType: 'service',
      targetId: 'proxy',
    }),
  )
}
