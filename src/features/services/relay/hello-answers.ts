import type { ServerHello } from '../upstream/connection.ts'
import { isJsonObject, type JsonObject } from '../wire/json.ts'
import { metaKeys } from '../wire/meta-keys.ts'
import { isLegacyVersion, latestLegacyVersion, modernVersions } from '../wire/protocol-versions.ts'

/** How a server is introduced to a client. */
export interface HelloOptions {
  /** Whether the client has the connection to the server for itself, so that its tasks are its own. */
  readonly isPrivate: boolean
  /** How long a modern client may keep the answer, ms. */
  readonly ttlMs: number
}

/**
 * The result of `initialize`. Everything that the server said is passed on, but for what a client of this era would
 * misunderstand; the revision is the one that the client asked for, where it is spoken here.
 */
export function initializeResult(
  hello: ServerHello,
  asked: string | undefined,
  options: HelloOptions,
): JsonObject {
  const protocolVersion =
    asked !== undefined && isLegacyVersion(asked) ? asked : latestLegacyVersion
  const { serverInfo, instructions } = hello
  const own = hello.era === 'legacy' ? hello.result : withoutModernFields(hello.result)
  return {
    ...own,
    protocolVersion,
    capabilities: legacyCapabilities(hello, options),
    serverInfo:
      'name' in serverInfo ? serverInfo : { name: 'unknown', version: '0', ...serverInfo },
    ...(instructions === undefined ? {} : { instructions }),
  }
}

/** The result of `server/discover`. */
export function discoverResult(hello: ServerHello, options: HelloOptions): JsonObject {
  const { serverInfo, instructions, result } = hello
  const { protocolVersion: _, serverInfo: __, ...own } = result
  const meta = isJsonObject(result['_meta']) ? result['_meta'] : {}
  return {
    ...own,
    resultType: 'complete',
    supportedVersions: modernVersions,
    capabilities: modernCapabilities(hello),
    ...(instructions === undefined ? {} : { instructions }),
    ttlMs: options.ttlMs,
    cacheScope: 'private',
    _meta: { ...meta, [metaKeys.serverInfo]: serverInfo },
  }
}

function legacyCapabilities(
  { era, capabilities }: ServerHello,
  { isPrivate }: HelloOptions,
): JsonObject {
  const { tasks, extensions, ...others } = capabilities
  if (era === 'modern') return others
  return {
    ...others,
    ...(extensions === undefined ? {} : { extensions }),
    // Of a connection that several share, everybody would see the tasks of all.
    ...(tasks === undefined || !isPrivate ? {} : { tasks }),
  }
}

/** The tasks of legacy servers are not those of the modern extension. */
function modernCapabilities({ era, capabilities }: ServerHello): JsonObject {
  if (era === 'modern') return capabilities
  const { tasks: _, ...others } = capabilities
  return others
}

function withoutModernFields(result: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(result).filter(([name]) => !modernFields.has(name)))
}

const modernFields: ReadonlySet<string> = new Set([
  'resultType',
  'supportedVersions',
  'ttlMs',
  'cacheScope',
  '_meta',
])
