import { AppError } from '../../../lib/errors.ts'
import { isJsonObject } from '../wire/json.ts'
import { splitArguments } from './split-arguments.ts'

/** A program that a request asks for, taken apart. Nothing of it has been looked up or run. */
export interface AdhocCommand {
  /** A name to be found on PATH, or an absolute path. */
  readonly command: string
  readonly args: readonly string[]
  /** Without the names that would change how the program itself is found or loaded. */
  readonly env: Readonly<Record<string, string>>
}

const KiB = 1024
const totalBytesMax = 16 * KiB
const envEntriesMax = 32
const envValueBytesMax = 4 * KiB

/**
 * Reads `command`, `args` and `env` of the query. Throws `invalid_request` for what is malformed: no command, a relative
 * path, quotes that are not closed, an `env` that is no object of texts, NUL or line breaks, too much of anything.
 */
export function readAdhocCommand(query: URLSearchParams): AdhocCommand {
  const [command, argsText, envText] = ['command', 'args', 'env'].map((name) =>
    readOne(query, name),
  )
  if (command === undefined || command === '') throw refused('command', 'command is missing.')
  const total = [command, argsText, envText].reduce((sum, text) => sum + sizeOf(text ?? ''), 0)
  if (total > totalBytesMax) {
    throw refused('command', `command, args and env are longer than ${totalBytesMax} bytes.`)
  }
  if (command.includes('/') && !command.startsWith('/')) {
    throw refused('command', 'command must be a name or an absolute path.')
  }
  requirePlain('command', command)
  requirePlain('args', argsText ?? '')
  return { command, args: splitArguments(argsText ?? ''), env: readEnv(envText ?? '') }
}

function readOne(query: URLSearchParams, name: string): string | undefined {
  const [first, second] = query.getAll(name)
  if (second !== undefined) throw refused(name, `${name} is given twice.`)
  return first
}

function readEnv(text: string): Record<string, string> {
  if (text.trim() === '') return {}
  const value = parseJson(text)
  if (!isJsonObject(value)) throw refused('env', 'env must be a JSON object of texts.')
  const entries = Object.entries(value)
  if (entries.length > envEntriesMax) {
    throw refused('env', `env has more than ${envEntriesMax} entries.`)
  }
  return Object.fromEntries(entries.map(readEntry).filter(([name]) => !isDropped(name)))
}

function readEntry([name, value]: [string, unknown]): [string, string] {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,199}$/.test(name)) {
    throw refused('env', 'env has a name that no variable can have.')
  }
  if (typeof value !== 'string') throw refused('env', `env.${name} must be a text.`)
  if (sizeOf(value) > envValueBytesMax) {
    throw refused('env', `env.${name} is longer than ${envValueBytesMax} bytes.`)
  }
  requirePlain(`env.${name}`, value)
  return [name, value]
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new AppError('invalid_request', 'env is not JSON.', { param: 'env', cause })
  }
}

/** They end an argument or a line somewhere on the way, and then mean something else. */
function requirePlain(name: string, text: string): void {
  if (/[\0\r\n]/.test(text)) {
    throw refused(name, `${name} must not contain NUL or line breaks.`)
  }
}

/** Variables with which the caller could have other code loaded than was approved, or the traffic led elsewhere. */
const droppedNames: ReadonlySet<string> = new Set([
  'PATH',
  'BASH_ENV',
  'ENV',
  'IFS',
  'SHELLOPTS',
  'BASHOPTS',
  'PS4',
  'CLASSPATH',
  'JAVA_TOOL_OPTIONS',
  '_JAVA_OPTIONS',
  'JDK_JAVA_OPTIONS',
  'GLIBC_TUNABLES',
  'GCONV_PATH',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'ALL_PROXY',
  'FTP_PROXY',
  'NO_PROXY',
])
const droppedPrefixes =
  /^(?:LD_|DYLD_|NODE_(?:OPTIONS|PATH|EXTRA_CA_CERTS|TLS_|REPL_)|PYTHON|PERL5|RUBY|GIT_|NPM_CONFIG_|YARN_|PIP_|UV_|SSL_|BASH_FUNC_)/

/** Case does not matter: npm and the proxy variables are read in either. */
function isDropped(name: string): boolean {
  const upper = name.toUpperCase()
  return droppedNames.has(upper) || droppedPrefixes.test(upper)
}

function sizeOf(text: string): number {
  return Buffer.byteLength(text)
}

function refused(param: string, message: string): AppError {
  return new AppError('invalid_request', message, { param })
}
