import { readVersion } from '../../../lib/version.ts'
import type { Bundle } from '../service.ts'
import { isJsonObject, objectAt, type JsonObject } from '../wire/json.ts'
import { metaKeys } from '../wire/meta-keys.ts'
import {
  isLegacyVersion,
  latestLegacyVersion,
  legacyVersions,
  modernVersions,
} from '../wire/protocol-versions.ts'
import { changeKinds } from './list-changes.ts'
import type { Introduction } from './member-hellos.ts'

const version = readVersion()
const appsExtension = 'io.modelcontextprotocol/ui'

/** Result of `initialize`: all members as one server. `requested` is the revision that the client asked for. */
export function makeInitializeResult(
  bundle: Bundle,
  introductions: readonly Introduction[],
  requested: unknown,
): JsonObject {
  const isSpoken = typeof requested === 'string' && isLegacyVersion(requested)
  return {
    protocolVersion: isSpoken ? requested : latestLegacyVersion,
    capabilities: mergeCapabilities(introductions),
    serverInfo: serverInfoOf(bundle),
    ...instructionsOf(bundle, introductions),
  }
}

/** Result of `server/discover`: all members as one server. */
export function makeDiscoverResult(
  bundle: Bundle,
  introductions: readonly Introduction[],
): JsonObject {
  return {
    resultType: 'complete',
    supportedVersions: [...modernVersions, ...legacyVersions],
    capabilities: mergeCapabilities(introductions),
    ...instructionsOf(bundle, introductions),
    // Members come and go, and what they have depends on the key.
    ttlMs: 0,
    cacheScope: 'private',
    _meta: { [metaKeys.serverInfo]: serverInfoOf(bundle) },
  }
}

/** What any member can do. One that did not answer may have everything that lists have, and shows it later. */
export function mergeCapabilities(introductions: readonly Introduction[]): JsonObject {
  const known = introductions.flatMap(({ hello }) => (hello ? [hello.capabilities] : []))
  const isIncomplete = known.length < introductions.length
  const has = (name: string): boolean => known.some((one) => isJsonObject(one[name]))
  const merged: Record<string, unknown> = {}
  for (const kind of changeKinds) {
    if (has(kind) || isIncomplete) merged[kind] = { listChanged: true }
  }
  const subscribes = known.some((one) => objectAt(one, 'resources')['subscribe'] === true)
  if (subscribes) merged['resources'] = { subscribe: true, listChanged: true }
  for (const name of ['completions', 'logging']) if (has(name)) merged[name] = {}
  const apps = known.map((one) => objectAt(one, 'extensions')[appsExtension]).find(isJsonObject)
  if (apps !== undefined) merged['extensions'] = { [appsExtension]: apps }
  return merged
}

function serverInfoOf({ name }: Bundle): JsonObject {
  return { name: 'portico', title: name, version }
}

function instructionsOf(bundle: Bundle, introductions: readonly Introduction[]): JsonObject {
  const own = bundle.settings.instructions
  const sections = introductions.flatMap(({ member, hello }) =>
    hello?.instructions ? [`## ${member.name}\n\n${hello.instructions}`] : [],
  )
  const text = [own, ...sections].filter((part) => part !== '').join('\n\n')
  return text === '' ? {} : { instructions: text }
}
