import type { z } from 'zod'
import { AppError } from '../../../lib/errors.ts'
import type { ImportFormat } from '../../../protocol/api/service-formats.ts'
import { isJsonObject, objectAt, textAt, type JsonObject } from '../wire/json.ts'
import { readClientConfig } from './client-config.ts'
import type { PortableService, ReadDocument } from './portable-service.ts'
import { readRegistryServer } from './registry-server.ts'

/** Name of a format that can be read. */
export type ReadableFormat = z.output<typeof ImportFormat>

/**
 * Reads a document of any of the formats, and says which it is. Throws `invalid_request` for one that is none of them.
 * Nothing is looked up, called or run, and the environment of this process is not read.
 */
export function readDocument(
  document: JsonObject,
  format: ReadableFormat | undefined = detectFormat(document),
): { readonly format: ReadableFormat; readonly read: ReadDocument } {
  switch (format) {
    case undefined:
      throw new AppError('invalid_request', 'The document is in none of the known formats.', {
        hint: 'Send a JSON object with mcpServers, servers, packages, remotes or services.',
      })
    case 'portico':
      return { format, read: readOwnDocument(document) }
    case 'server.json':
      return { format, read: readRegistryServer(document) }
    case 'claude-desktop':
    case 'cursor':
    case 'vscode':
    case 'claude-code':
      return { format, read: readClientConfig(withTopMember(document, format)) }
  }
}

function detectFormat(document: JsonObject): ReadableFormat | undefined {
  const inner = isJsonObject(document['server']) ? document['server'] : document
  if (Array.isArray(document['services'])) return 'portico'
  if (isJsonObject(document['mcpServers'])) return 'claude-desktop'
  if (isJsonObject(document['servers']) || isJsonObject(objectAt(document, 'mcp')['servers'])) {
    return 'vscode'
  }
  if (Array.isArray(inner['packages']) || Array.isArray(inner['remotes'])) return 'server.json'
  return isBareMap(document) ? 'claude-desktop' : undefined
}

/** The inside of `mcpServers` alone, as it is often pasted. */
function isBareMap(document: JsonObject): boolean {
  const entries = Object.values(document)
  return entries.length > 0 && entries.every((entry) => isJsonObject(entry) && isEntry(entry))
}

function isEntry(entry: JsonObject): boolean {
  return ['command', 'url', 'serverUrl', 'httpUrl'].some((name) => typeof entry[name] === 'string')
}

function withTopMember(document: JsonObject, format: ReadableFormat): JsonObject {
  if (!isBareMap(document)) return document
  return { [format === 'vscode' ? 'servers' : 'mcpServers']: document }
}

/** Our own: bodies of `POST /api/services`, which are judged when they are created. */
function readOwnDocument(document: JsonObject): ReadDocument {
  const list = Array.isArray(document['services']) ? document['services'] : []
  const read = list.map((entry, at): PortableService | { name: string; message: string } => {
    const name = textAt(entry, 'name') ?? `services.${at}`
    if (!isJsonObject(entry) || !isJsonObject(entry['upstream'])) {
      return { name, message: 'The entry has no upstream.' }
    }
    const { name: _name, workspaceId: _workspace, ...body } = entry
    return { name, body: body as PortableService['body'], warnings: [] }
  })
  return {
    services: read.filter((outcome) => 'body' in outcome),
    failures: read.filter((outcome) => 'message' in outcome),
    inputs: new Map(),
  }
}
