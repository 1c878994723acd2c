import type { Caller } from '../../src/features/services/caller.ts'
import type {
  ListedItem,
  ListKind,
  PublishedCatalogue,
  PublishedItem,
  PublishedList,
} from '../../src/features/services/catalogue/catalogue.ts'
import type { ClientProfile } from '../../src/features/services/relay/relay.ts'
import type { Service } from '../../src/features/services/service.ts'
import type { ServerHello } from '../../src/features/services/upstream/connection.ts'
import { NewService, type ServiceSettings } from '../../src/protocol/api/services.ts'

/** Makes the service `tools` as it stands in memory, with the settings that are given. */
export function plainService(settings: Readonly<Record<string, unknown>> = {}): Service {
  const { workspaceId: _, ...parsed } = NewService.parse({
    name: 'tools',
    upstream: { kind: 'process', command: 'node' },
    ...settings,
  })
  return {
    id: 'svc-1',
    workspaceId: 'default',
    name: parsed.name,
    settings: parsed as ServiceSettings,
    values: new Map(),
    revision: 'r1',
    createdAt: 0,
    updatedAt: 0,
  }
}

/** Makes a caller that may do everything, but for what is given. */
export function plainCaller(rights: Partial<Caller> = {}): Caller {
  return {
    keyId: 'key-1',
    workspaceId: 'default',
    allowsService: () => true,
    allowsTool: () => true,
    runsCommands: true,
    isUsable: () => true,
    ...rights,
  }
}

/** Makes a client of that caller; a legacy one with a session unless told otherwise. */
export function plainProfile(profile: Partial<ClientProfile> = {}): ClientProfile {
  return {
    era: 'legacy',
    caller: plainCaller(),
    sessionId: 's1',
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'client', version: '1' },
    ...profile,
  }
}

/** Makes what a server is known to have; each entry may have another name at the server. */
export function publishedCatalogue(
  lists: Partial<Record<ListKind, readonly (ListedItem & { readonly upstreamName?: string })[]>>,
  hello: Partial<ServerHello> = {},
): PublishedCatalogue {
  const list = (kind: ListKind): PublishedList => {
    const items = (lists[kind] ?? []).map((item): PublishedItem => ({
      ...item,
      upstreamName: item.upstreamName ?? item.name,
    }))
    return {
      items,
      byName: new Map(items.map((item) => [item.name, item])),
      byUpstreamName: new Map(items.map((item) => [item.upstreamName, item])),
    }
  }
  return {
    hello: {
      era: 'legacy',
      protocolVersion: '2025-11-25',
      capabilities: {},
      serverInfo: { name: 'fake', version: '1' },
      instructions: undefined,
      result: {},
      ...hello,
    },
    lists: {
      tools: list('tools'),
      prompts: list('prompts'),
      resources: list('resources'),
      templates: list('templates'),
    },
    fetchedAt: 0,
    revision: 'r1',
  }
}
