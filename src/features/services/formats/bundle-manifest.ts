import path from 'node:path'
import { AppError } from '../../../lib/errors.ts'
import { isJsonObject, objectAt, textAt, type JsonObject } from '../wire/json.ts'
import { placeholder } from './placeholders.ts'
import type { InputDeclaration, ReadDocument } from './portable-service.ts'

/** Where the bundle is or will be unpacked, and on what it is to run. */
export interface BundlePlace {
  readonly folder: string
  readonly platform: string
}

/** The manifest of a bundle, parsed, and the name that it gives itself. Throws `invalid_request`. */
export function parseManifest(text: string): {
  readonly manifest: JsonObject
  readonly name: string
} {
  const manifest = parseJson(text)
  const name = textAt(manifest, 'name')
  if (!isJsonObject(manifest) || name === undefined) throw unfit('has no name')
  return { manifest, name }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new AppError('invalid_request', 'The manifest of the bundle is not JSON.', { cause })
  }
}

/**
 * Reads the manifest of an MCP bundle (`.mcpb`, manifest versions 0.1 to 0.4): how its server is run where the bundle is
 * unpacked. Settings of the user that have no default, and folders of a desktop, become something to ask for.
 * Throws `invalid_request` where there is no server to run.
 */
export function readBundleManifest(manifest: JsonObject, place: BundlePlace): ReadDocument {
  const name = textAt(manifest, 'name') ?? 'bundle'
  const inputs = new Map<string, InputDeclaration>()
  const { command, args, env } = launchOf(objectAt(manifest, 'server'), place.platform)
  const fill = createFiller({ settings: objectAt(manifest, 'user_config'), place, inputs })
  const program = fill.text(command)
  if (program === undefined) throw unfit('names a program that depends on a setting')
  const upstream = {
    kind: 'process' as const,
    command: inFolder(program, place.folder, isBinary(manifest)),
    args: args.flatMap((arg) => fill.argument(arg)),
    env: Object.fromEntries(
      Object.entries(env).flatMap(([variable, text]) => {
        const filled = fill.text(text)
        return filled === undefined ? [] : [[variable, filled]]
      }),
    ),
    cwd: place.folder,
  }
  const description = (textAt(manifest, 'description') ?? '').slice(0, 2000)
  const warnings = warningsOf(manifest, place.platform)
  return { services: [{ name, body: { upstream, description }, warnings }], inputs, failures: [] }
}

interface Launch {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

function launchOf(server: JsonObject, platform: string): Launch {
  const config = objectAt(server, 'mcp_config')
  const override = objectAt(objectAt(config, 'platform_overrides'), platform)
  const command = textAt(override, 'command') ?? textAt(config, 'command')
  const env = { ...textsOf(objectAt(config, 'env')), ...textsOf(objectAt(override, 'env')) }
  if (command === undefined) return { ...launchByType(server), env }
  const args = override['args'] ?? config['args']
  return { command, args: Array.isArray(args) ? args.map(String) : [], env }
}

/** Where a manifest leaves it to the type of the server. */
function launchByType(server: JsonObject): Omit<Launch, 'env'> {
  const entry = textAt(server, 'entry_point')
  if (entry === undefined) throw unfit('has neither a command nor an entry point')
  const file = `\${__dirname}/${entry}`
  switch (textAt(server, 'type') ?? '') {
    case 'node':
      return { command: 'node', args: [file] }
    case 'python':
      return { command: 'python3', args: [file] }
    case 'uv':
      return { command: 'uv', args: ['run', '--directory', '${__dirname}', file] }
    case 'binary':
      return { command: file, args: [] }
    default:
      throw unfit('has a server of an unknown type')
  }
}

function isBinary(manifest: JsonObject): boolean {
  return textAt(objectAt(manifest, 'server'), 'type') === 'binary'
}

/** A path of the bundle; a mere name is looked for on PATH, unless the bundle is the program. */
function inFolder(program: string, folder: string, isProgramOfBundle: boolean): string {
  const isPath = program.includes('/') || isProgramOfBundle
  return isPath ? path.resolve(folder, program) : program
}

interface Filler {
  /** undefined where it depends on a setting that nobody has to make. */
  text(text: string): string | undefined
  /** A setting with several values becomes several arguments. */
  argument(text: string): string[]
}

function createFiller({
  settings,
  place,
  inputs,
}: {
  settings: JsonObject
  place: BundlePlace
  inputs: Map<string, InputDeclaration>
}): Filler {
  const own: Readonly<Record<string, string>> = {
    __dirname: place.folder,
    pathSeparator: path.sep,
    '/': path.sep,
  }
  const ask = (name: string, description: string, isSecret: boolean): string => {
    inputs.set(name, { description, isSecret })
    return placeholder(name)
  }
  const defaultOf = (setting: JsonObject): readonly string[] => {
    const value = setting['default']
    if (value === undefined || value === null || setting['sensitive'] === true) return []
    return (Array.isArray(value) ? value : [value]).map((each) => textWith(String(each)) ?? '')
  }
  /** The values of `user_config.name`; none where it need not be set. */
  const valuesOf = (name: string): readonly string[] => {
    const setting = objectAt(settings, name)
    const values = defaultOf(setting)
    const isOptional = name in settings && setting['required'] !== true
    if (values.length > 0 || isOptional) return values
    const description = textAt(setting, 'description') ?? textAt(setting, 'title') ?? ''
    return [ask(name, description, setting['sensitive'] === true)]
  }
  function textWith(text: string): string | undefined {
    let isComplete = true
    const filled = text.replaceAll(/\$\{([^}]+)\}/g, (whole, name: string) => {
      if (Object.hasOwn(own, name)) return own[name] as string
      if (desktopFolders.has(name)) return ask(name, 'A folder of the user.', false)
      if (!name.startsWith('user_config.')) return whole
      const [value, ...more] = valuesOf(name.slice('user_config.'.length))
      isComplete &&= value !== undefined
      return [value ?? '', ...more].join(',')
    })
    return isComplete ? filled : undefined
  }
  return {
    text: textWith,
    argument(text) {
      const alone = /^\$\{user_config\.([^}]+)\}$/.exec(text)?.[1]
      if (alone !== undefined) return [...valuesOf(alone)]
      const filled = textWith(text)
      return filled === undefined ? [] : [filled]
    },
  }
}

const desktopFolders: ReadonlySet<string> = new Set(['HOME', 'DESKTOP', 'DOCUMENTS', 'DOWNLOADS'])

function warningsOf(manifest: JsonObject, platform: string): string[] {
  const platforms = objectAt(manifest, 'compatibility')['platforms']
  const isForeign = Array.isArray(platforms) && !platforms.includes(platform)
  return isForeign ? [`The bundle is not made for ${platform}.`] : []
}

function textsOf(value: JsonObject): Record<string, string> {
  return Object.fromEntries(Object.entries(value).map(([name, text]) => [name, String(text)]))
}

function unfit(what: string): AppError {
  return new AppError('invalid_request', `The manifest of the bundle ${what}.`)
}
