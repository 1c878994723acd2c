import { isJsonObject, objectAt, textAt, type JsonObject } from '../wire/json.ts'
import { adoptPlaceholders } from './placeholders.ts'
import type { InputDeclaration, PortableService, ReadDocument } from './portable-service.ts'
import { looksSecret } from './secret-names.ts'

/**
 * Reads the configuration of a client: `mcpServers` of Claude Desktop, Claude Code, Cursor and many others, or `servers`
 * with `inputs` of VS Code. Placeholders for the environment of the client become something to ask for.
 */
export function readClientConfig(document: JsonObject): ReadDocument {
  const entries = Object.entries({ ...objectAt(document, 'mcpServers'), ...serversOf(document) })
  const read = entries.map(([name, entry]) => readEntry(name, entry))
  return {
    services: read.filter((outcome) => 'body' in outcome),
    failures: read.filter((outcome) => 'message' in outcome),
    inputs: readInputs(document['inputs']),
  }
}

/** VS Code keeps the same in its settings below `mcp`. */
function serversOf(document: JsonObject): JsonObject {
  return { ...objectAt(objectAt(document, 'mcp'), 'servers'), ...objectAt(document, 'servers') }
}

type Outcome = PortableService | { readonly name: string; readonly message: string }

function readEntry(name: string, entry: unknown): Outcome {
  if (!isJsonObject(entry)) return { name, message: 'The entry is no object.' }
  const url = ['url', 'serverUrl', 'httpUrl'].map((key) => textAt(entry, key)).find(Boolean)
  const command = textAt(entry, 'command')
  if (command === undefined && url === undefined) {
    return { name, message: 'The entry has neither a command nor a url.' }
  }
  const upstream = command === undefined ? toRemote(entry, url ?? '') : toProcess(entry, command)
  if (upstream === undefined) {
    return { name, message: 'args must be a list of texts, env and headers objects of texts.' }
  }
  const description = textAt(entry, 'description')
  return {
    name,
    body: {
      upstream,
      ...(description !== undefined && { description: description.slice(0, 2000) }),
      ...(entry['disabled'] === true && { enabled: false }),
    },
    warnings: warningsOf(entry, command !== undefined),
  }
}

type Upstream = PortableService['body']['upstream']

function toProcess(entry: JsonObject, command: string): Upstream | undefined {
  const args = entry['args'] ?? []
  const env = readTexts(entry['env'])
  const isList = Array.isArray(args) && args.every((arg) => typeof arg === 'string')
  if (!isList || env === undefined) return undefined
  const cwd = textAt(entry, 'cwd')
  return {
    kind: 'process',
    command: adoptPlaceholders(command),
    args: args.map(adoptPlaceholders),
    env,
    ...(cwd !== undefined && { cwd: adoptPlaceholders(cwd) }),
  }
}

function toRemote(entry: JsonObject, url: string): Upstream | undefined {
  const headers = readTexts(entry['headers'])
  if (headers === undefined) return undefined
  const transport = transportOf(entry, url)
  return { kind: 'remote', url: adoptPlaceholders(url), transport, headers }
}

const transports = {
  http: 'streamable-http',
  'streamable-http': 'streamable-http',
  streamablehttp: 'streamable-http',
  sse: 'sse',
  ws: 'websocket',
  websocket: 'websocket',
} as const

function transportOf(
  entry: JsonObject,
  url: string,
): 'auto' | (typeof transports)['http' | 'sse' | 'ws'] {
  const type = (textAt(entry, 'type') ?? textAt(entry, 'transport') ?? '').toLowerCase()
  if (Object.hasOwn(transports, type)) return transports[type as keyof typeof transports]
  return /^wss?:/i.test(url) ? 'websocket' : 'auto'
}

/** An object of texts with their placeholders adopted; numbers and flags are texts there. undefined for anything else. */
function readTexts(value: unknown): Record<string, string> | undefined {
  if (value === undefined || value === null) return {}
  if (!isJsonObject(value)) return undefined
  const entries = Object.entries(value).filter(([, text]) => text !== null)
  const isPlain = entries.every(([, text]) => ['string', 'number', 'boolean'].includes(typeof text))
  if (!isPlain) return undefined
  return Object.fromEntries(entries.map(([name, text]) => [name, adoptPlaceholders(String(text))]))
}

const knownMembers: ReadonlySet<string> = new Set(
  'type transport command args env cwd description disabled url serverUrl httpUrl headers'.split(
    ' ',
  ),
)

function warningsOf(entry: JsonObject, isProcess: boolean): string[] {
  const ignored = Object.keys(entry).filter((name) => !knownMembers.has(name))
  const args = Array.isArray(entry['args']) ? entry['args'] : []
  const hasSecretArg = args.some((arg) => typeof arg === 'string' && looksSecret('', arg))
  return [
    ...(ignored.length > 0
      ? [`Left out, because Portico has no such setting: ${ignored.join(', ')}.`]
      : []),
    ...(hasSecretArg ? ['An argument looks like a secret; arguments are not sealed.'] : []),
    ...(isProcess && entry['url'] !== undefined
      ? ['The url is left out in favour of the command.']
      : []),
  ]
}

function readInputs(inputs: unknown): ReadonlyMap<string, InputDeclaration> {
  const list = Array.isArray(inputs) ? inputs.filter(isJsonObject) : []
  return new Map(
    list.map((input) => {
      const declaration = {
        description: textAt(input, 'description') ?? '',
        isSecret: input['password'] === true,
      }
      return [textAt(input, 'id') ?? '', declaration]
    }),
  )
}
