import type { z } from 'zod'
import type { ExportFormat } from '../../../protocol/api/service-formats.ts'
import type { ServiceSettings, ServiceUpstream } from '../../../protocol/api/services.ts'
import type { JsonObject } from '../wire/json.ts'
import { placeholder } from './placeholders.ts'

/** A service that can be written down. Secrets in its settings may be masked; they are not written. */
export interface ExportableService {
  readonly name: string
  readonly settings: ServiceSettings
}

type Format = z.output<typeof ExportFormat>
type Upstream = z.output<typeof ServiceUpstream>

/**
 * Writes services down in the format of a client, or completely in our own. Secrets, and what each user has to give,
 * become placeholders. What a format cannot hold is missing: built-in servers in those of clients, remote ones in that
 * of Claude Desktop.
 */
export function exportServices(services: readonly ExportableService[], format: Format): JsonObject {
  if (format === 'portico') return { portico: 1, services: services.map(writeOwn) }
  const inputs: JsonObject[] = []
  const entries = services.flatMap(({ name, settings: { upstream } }) => {
    const write = (variable: string, value: Value): string => {
      if (typeof value === 'string') return value
      if (format === 'vscode') inputs.push(toInput(inputName(name, variable), variable))
      return placeholders[format](name, variable)
    }
    const entry = writeEntry(upstream, format, write)
    return entry === undefined ? [] : [[name, entry] as const]
  })
  const servers = Object.fromEntries(entries)
  return format === 'vscode' ? { inputs, servers } : { mcpServers: servers }
}

type Value = Extract<Upstream, { kind: 'process' }>['env'][string]
type WriteValue = (variable: string, value: Value) => string

/** How each client asks for a value. Claude Desktop does not; there the text has to be replaced by hand. */
const placeholders: Readonly<
  Record<Exclude<Format, 'portico'>, (service: string, variable: string) => string>
> = {
  'claude-desktop': (_service, variable) => `\${${variableName(variable)}}`,
  'claude-code': (_service, variable) => `\${${variableName(variable)}}`,
  cursor: (_service, variable) => `\${env:${variableName(variable)}}`,
  vscode: (service, variable) => placeholder(inputName(service, variable)),
}

function inputName(service: string, variable: string): string {
  return `${variableName(service)}-${variable}`
}

/** A name of the environment: headers have dashes. */
function variableName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_]/g, '_').replace(/^(?=\d)/, '_')
}

function toInput(id: string, variable: string): JsonObject {
  return { type: 'promptString', id, description: variable, password: true }
}

function writeEntry(
  upstream: Upstream,
  format: Exclude<Format, 'portico'>,
  write: WriteValue,
): JsonObject | undefined {
  switch (upstream.kind) {
    case 'builtin':
      return undefined
    case 'process': {
      const { command, args, env, cwd } = upstream
      const type = format === 'vscode' || format === 'claude-code' ? { type: 'stdio' } : {}
      const folder = format === 'vscode' && cwd !== null ? { cwd } : {}
      return { ...type, command, args, ...folder, env: writeAll(env, write) }
    }
    case 'remote': {
      if (format === 'claude-desktop') return undefined
      const { url, headers, transport } = upstream
      const type = format === 'cursor' ? {} : { type: typeNames[transport] }
      return { ...type, url, headers: writeAll(headers, write) }
    }
  }
}

const typeNames = { auto: 'http', 'streamable-http': 'http', sse: 'sse', websocket: 'ws' } as const

function writeAll(values: Readonly<Record<string, Value>>, write: WriteValue): JsonObject {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, write(name, value)]),
  )
}

function writeOwn({ name, settings }: ExportableService): JsonObject {
  const write = (variable: string, value: Value): Value =>
    typeof value === 'object' && 'secret' in value
      ? { secret: placeholder(inputName(name, variable)) }
      : value
  const all = (values: Readonly<Record<string, Value>>) =>
    Object.fromEntries(Object.entries(values).map(([key, value]) => [key, write(key, value)]))
  const { upstream } = settings
  switch (upstream.kind) {
    case 'builtin':
      return { ...settings, name }
    case 'process':
      return { ...settings, name, upstream: { ...upstream, env: all(upstream.env) } }
    case 'remote':
      return { ...settings, name, upstream: { ...upstream, headers: all(upstream.headers) } }
  }
}
