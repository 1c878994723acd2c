import { isJsonObject, objectAt, textAt, type JsonObject } from '../wire/json.ts'
import { placeholder } from './placeholders.ts'
import type { InputDeclaration, PortableService, ReadDocument } from './portable-service.ts'

/** Takes note of what is to be asked for while a document is read. */
type Inputs = Map<string, InputDeclaration>

/**
 * Reads a `server.json` of the MCP registry (schema 2025-12-11, and the older ones as far as they say the same), bare or
 * as the registry's API answers it. Of several ways to run the server, a remote one comes first, because nothing has to
 * be installed for it; then the first package that can be run.
 */
export function readRegistryServer(document: JsonObject): ReadDocument {
  const server = isJsonObject(document['server']) ? document['server'] : document
  const name = textAt(server, 'name')?.split('/').at(-1) ?? 'server'
  const inputs: Inputs = new Map()
  const remotes = listAt(server, 'remotes')
  const packages = listAt(server, 'packages')
  const upstream =
    remotes.map((remote) => readRemote(remote, inputs)).find(Boolean) ??
    packages.map((entry) => readPackage(entry, inputs)).find(Boolean)
  if (upstream === undefined) {
    return { services: [], inputs, failures: [{ name, message: unusable(packages) }] }
  }
  const others = remotes.length + packages.length - 1
  const warnings =
    others === 0
      ? []
      : [`The document names ${others} more ways to run the server; they are left out.`]
  const description = textAt(server, 'description') ?? ''
  return { services: [{ name, body: { upstream, description }, warnings }], inputs, failures: [] }
}

function unusable(packages: readonly JsonObject[]): string {
  const isBundle = packages.some((entry) => textAt(entry, 'registryType') === 'mcpb')
  return isBundle
    ? 'The server comes as a bundle: download it, and send it to /api/services/import/mcpb.'
    : 'The document has no remote, and no package that speaks on standard streams.'
}

type Upstream = PortableService['body']['upstream']

function readRemote(remote: JsonObject, inputs: Inputs): Upstream | undefined {
  const type = textAt(remote, 'type') ?? textAt(remote, 'transport_type')
  const url = textAt(remote, 'url')
  if (url === undefined || (type !== 'streamable-http' && type !== 'sse')) return undefined
  return {
    kind: 'remote',
    url: substitute(url, objectAt(remote, 'variables'), inputs),
    transport: type,
    headers: readPairs(listAt(remote, 'headers'), inputs),
  }
}

function readPackage(entry: JsonObject, inputs: Inputs): Upstream | undefined {
  const transport = textAt(objectAt(entry, 'transport'), 'type') ?? 'stdio'
  const identifier = textAt(entry, 'identifier')
  const launch = launchers[textAt(entry, 'registryType') ?? '']
  if (transport !== 'stdio' || identifier === undefined || launch === undefined) return undefined
  const env = readPairs(listAt(entry, 'environmentVariables'), inputs)
  const { command, args } = launch({
    identifier,
    version: textAt(entry, 'version'),
    runtimeArgs: readArguments(listAt(entry, 'runtimeArguments'), inputs),
    packageArgs: readArguments(listAt(entry, 'packageArguments'), inputs),
    envNames: Object.keys(env),
  })
  return { kind: 'process', command, args: [...args], env }
}

interface Package {
  readonly identifier: string
  readonly version: string | undefined
  readonly runtimeArgs: readonly string[]
  readonly packageArgs: readonly string[]
  readonly envNames: readonly string[]
}

type Launch = (entry: Package) => { readonly command: string; readonly args: readonly string[] }

/** Without them a container outlives its client or hears nothing of it. */
const runFlags: readonly string[] = ['run', '--rm', '-i']

/** How the packages of each registry are run. The runtime that a document hints at is not taken over as a command. */
const launchers: Readonly<Record<string, Launch>> = {
  npm: ({ identifier, version, runtimeArgs, packageArgs }) => ({
    command: 'npx',
    args: [...withFlag('-y', runtimeArgs), pinned(identifier, '@', version), ...packageArgs],
  }),
  pypi: ({ identifier, version, runtimeArgs, packageArgs }) => ({
    command: 'uvx',
    args: [...runtimeArgs, pinned(identifier, '@', version), ...packageArgs],
  }),
  oci: ({ identifier, version, runtimeArgs, packageArgs, envNames }) => ({
    command: 'docker',
    args: [
      ...runFlags,
      // A container sees none of the variables of whoever starts it unless they are named.
      ...envNames.flatMap((name) => ['-e', name]),
      ...runtimeArgs.filter((arg) => !runFlags.includes(arg)),
      pinned(identifier, ':', version),
      ...packageArgs,
    ],
  }),
  nuget: ({ identifier, version, runtimeArgs, packageArgs }) => ({
    command: 'dnx',
    args: [...runtimeArgs, pinned(identifier, '@', version), '--yes', ...packageArgs],
  }),
}

function withFlag(flag: string, args: readonly string[]): readonly string[] {
  return args.includes(flag) || args.includes('--yes') ? args : [flag, ...args]
}

/** An image may have its tag or digest in its name already; the scope of a package begins with the same sign. */
function pinned(identifier: string, sign: string, version: string | undefined): string {
  const last = identifier.slice(identifier.lastIndexOf('/') + 1)
  const hasVersion = last.includes(sign, 1) || last.includes('@', 1)
  return version === undefined || hasVersion ? identifier : `${identifier}${sign}${version}`
}

function readArguments(list: readonly JsonObject[], inputs: Inputs): string[] {
  return list.flatMap((argument) => {
    const name = textAt(argument, 'name')
    const isNamed = textAt(argument, 'type') === 'named' && name !== undefined
    const value = readValue(argument, textAt(argument, 'valueHint') ?? plainName(name), inputs)
    if (!isNamed) return value === undefined ? [] : [value]
    if (value !== undefined) return name.endsWith('=') ? [`${name}${value}`] : [name, value]
    return isSwitch(argument) ? [name] : []
  })
}

/** An option that nobody has to give is described to whoever might; a switch is just there. */
function isSwitch(argument: JsonObject): boolean {
  return !['description', 'placeholder', 'format', 'choices'].some((name) => name in argument)
}

function plainName(name: string | undefined): string {
  return name?.replace(/^-+/, '').replace(/=$/, '') || 'argument'
}

function readPairs(list: readonly JsonObject[], inputs: Inputs): Record<string, string> {
  return Object.fromEntries(
    list.flatMap((pair) => {
      const name = textAt(pair, 'name')
      const value = name === undefined ? undefined : readValue(pair, name, inputs)
      return name === undefined || value === undefined ? [] : [[name, value]]
    }),
  )
}

/** The value of an input; undefined where there is none and none is required. */
function readValue(input: JsonObject, name: string, inputs: Inputs): string | undefined {
  const value = textAt(input, 'value')
  if (value !== undefined) return substitute(value, objectAt(input, 'variables'), inputs)
  const fallback = textAt(input, 'default')
  if (fallback !== undefined && input['isSecret'] !== true) return fallback
  if (input['isRequired'] !== true) return undefined
  return ask(input, name, inputs)
}

/** `{name}` stands for a variable; what is no variable stays. */
function substitute(text: string, variables: JsonObject, inputs: Inputs): string {
  return text.replaceAll(/\{([^{}]+)\}/g, (whole, name: string) => {
    const variable = variables[name]
    if (!isJsonObject(variable)) return whole
    return textAt(variable, 'value') ?? textAt(variable, 'default') ?? ask(variable, name, inputs)
  })
}

function ask(input: JsonObject, name: string, inputs: Inputs): string {
  const clean = name.replaceAll(/[^\w.-]+/g, '_')
  inputs.set(clean, {
    description: textAt(input, 'description') ?? '',
    isSecret: input['isSecret'] === true,
  })
  return placeholder(clean)
}

function listAt(value: JsonObject, name: string): readonly JsonObject[] {
  const list = value[name]
  return Array.isArray(list) ? list.filter(isJsonObject) : []
}
