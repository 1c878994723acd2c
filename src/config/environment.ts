/** Environment variables by name, as `process.env` holds them. */
export type Environment = Readonly<Record<string, string | undefined>>

/** One environment variable that is understood, and the setting it stands for. */
export interface EnvironmentVariable {
  readonly name: string
  /** Dotted path of the setting, e.g. `server.port`. */
  readonly path: string
  /** Turns the text into what the file would hold. */
  readonly read: (text: string) => unknown
  /** The program whose name for the setting this is; our own names have none. */
  readonly origin?: string
  /** For the documentation, where the value is not simply taken over. */
  readonly note?: string
}

/** A value with the name under which it was given: a variable of the environment or an option of the command line. */
export interface SourcedValue {
  readonly name: string
  readonly path: string
  readonly value: unknown
}

const doroseek = 'doroseek'
const reverseProxy = 'MCP Reverse Proxy'
const webUiGateway = 'Web-UI gateway'

/** Every environment variable that sets a part of the configuration. */
export const environmentVariables: readonly EnvironmentVariable[] = [
  { name: 'PORTICO_HOST', path: 'server.host', read: text },
  { name: 'PORTICO_PORT', path: 'server.port', read: numberOrText },
  { name: 'PORTICO_DASHBOARD_HOST', path: 'server.dashboardHost', read: text },
  { name: 'PORTICO_DASHBOARD_PORT', path: 'server.dashboardPort', read: numberOrText },
  { name: 'PORTICO_PUBLIC_URL', path: 'server.publicUrl', read: text },
  { name: 'PORTICO_DASHBOARD_URL', path: 'server.dashboardUrl', read: text },
  { name: 'PORTICO_ALLOWED_HOSTS', path: 'server.allowedHosts', read: list },
  { name: 'PORTICO_ALLOWED_ORIGINS', path: 'server.allowedOrigins', read: list },
  { name: 'PORTICO_TRUSTED_PROXIES', path: 'server.trustedProxies', read: list },
  { name: 'PORTICO_QUERY_KEYS', path: 'server.queryKeys', read: flag },
  { name: 'PORTICO_DATA_DIR', path: 'dataDir', read: text },
  { name: 'DATABASE_URL', path: 'databaseUrl', read: text },
  { name: 'PORTICO_DATABASE_URL', path: 'databaseUrl', read: text },
  { name: 'REDIS_URL', path: 'redisUrl', read: text },
  { name: 'PORTICO_REDIS_URL', path: 'redisUrl', read: text },
  { name: 'PORTICO_ADMIN_KEY', path: 'adminKey', read: text },
  { name: 'PORTICO_ENCRYPTION_KEY', path: 'encryptionKey', read: text },
  { name: 'PORTICO_PREVIOUS_ENCRYPTION_KEYS', path: 'previousEncryptionKeys', read: list },
  { name: 'PORTICO_LOG_LEVEL', path: 'log.level', read: lowerCase },
  { name: 'PORTICO_LOG_ACCESS', path: 'log.access', read: flag },
  { name: 'PORTICO_WORKSPACES_OPEN', path: 'workspaces.open', read: flag },

  { name: 'ADMIN_KEY', path: 'adminKey', read: text, origin: doroseek },
  {
    name: 'PUBLIC_HOSTNAME',
    path: 'server.publicUrl',
    read: httpsUrl,
    origin: doroseek,
    note: 'with `https://` in front where the value has no scheme',
  },
  {
    name: 'MCP_MAX_DURATION',
    path: 'services.maxDurationMs',
    read: secondsToMs,
    origin: doroseek,
    note: 'in seconds',
  },
  {
    name: 'MCP_ENV_VARS',
    path: 'services.adhocEnv',
    read: jsonOrText,
    origin: doroseek,
    note: 'a JSON object',
  },
  { name: 'API_KEY', path: 'adminKey', read: text, origin: reverseProxy },
  { name: 'BACKEND_PORT', path: 'server.port', read: numberOrText, origin: reverseProxy },
  { name: 'FRONTEND_PORT', path: 'server.dashboardPort', read: numberOrText, origin: reverseProxy },
  { name: 'ENCRYPTION_KEY', path: 'encryptionKey', read: text, origin: reverseProxy },
  { name: 'LOG_LEVEL', path: 'log.level', read: lowerCase, origin: reverseProxy },
  { name: 'MCP_GATEWAY_PORT', path: 'server.port', read: numberOrText, origin: webUiGateway },
  { name: 'MCP_GATEWAY_HOST', path: 'server.host', read: text, origin: webUiGateway },
  {
    name: 'MCP_GATEWAY_CORS_ORIGINS',
    path: 'server.allowedOrigins',
    read: list,
    origin: webUiGateway,
  },
  { name: 'MCP_GATEWAY_ENABLE_LOGGING', path: 'log.access', read: flag, origin: webUiGateway },
  { name: 'PROXY_PORT', path: 'server.port', read: numberOrText, origin: webUiGateway },
  { name: 'PROXY_HOST', path: 'server.host', read: text, origin: webUiGateway },
  { name: 'CORS_ORIGINS', path: 'server.allowedOrigins', read: list, origin: webUiGateway },
]

/** Variables that the command line reads itself: the configuration file, and the key of `portico doctor`. */
export const commandVariables = { config: 'PORTICO_CONFIG', key: 'PORTICO_KEY' } as const

/** The environment of this process. */
export function processEnvironment(): Environment {
  return process.env
}

/**
 * The values that the environment sets, in the order of the table.
 * A variable that is set but empty counts as absent, except for a secret: there, emptiness is a mistake that the schema reports.
 */
export function readEnvironment(environment: Environment): SourcedValue[] {
  return environmentVariables.flatMap(({ name, path, read }) => {
    const raw = environment[name]
    if (raw === undefined || isServiceLink(name, raw)) return []
    if (raw.trim() === '' && !secretPaths.has(path)) return []
    return [{ name, path, value: read(raw) }]
  })
}

/** Names in the environment that carry our prefix and mean nothing. */
export function unknownVariables(environment: Environment): string[] {
  const known = new Set<string>([
    ...environmentVariables.map(({ name }) => name),
    ...Object.values(commandVariables),
  ])
  return Object.entries(environment)
    .filter(
      ([name, value = '']) =>
        name.startsWith('PORTICO_') && !known.has(name) && !isServiceLink(name, value),
    )
    .map(([name]) => name)
}

const secretPaths = new Set(['adminKey', 'encryptionKey'])

// Kubernetes gives every pod variables of this shape for a Service that is called portico.
function isServiceLink(name: string, value: string): boolean {
  return (
    /^PORTICO_(PORT_\d+_(TCP|UDP)|SERVICE_(HOST|PORT))/.test(name) || /^(tcp|udp):\/\//.test(value)
  )
}

function text(value: string): string {
  return value
}

function lowerCase(value: string): string {
  return value.toLowerCase()
}

/** A whole number as written on a command line or in a variable; what is none stays text, for the schema to refuse. */
export function numberOrText(value: string): number | string {
  return /^\s*-?\d+\s*$/.test(value) ? Number(value) : value
}

function secondsToMs(value: string): number | string {
  const seconds = numberOrText(value)
  return typeof seconds === 'number' ? seconds * 1000 : seconds
}

/** What is no JSON stays text, for the schema to refuse. */
function jsonOrText(value: string): unknown {
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}

function flag(value: string): boolean | string {
  if (/^(true|1|yes|on)$/i.test(value)) return true
  return /^(false|0|no|off)$/i.test(value) ? false : value
}

function list(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

function httpsUrl(value: string): string {
  return /^https?:\/\//i.test(value) ? value : `https://${value}`
}
