import type { Environment, SourcedValue } from './environment.ts'
import { environmentVariables, readEnvironment, unknownVariables } from './environment.ts'
import { findContradictions } from './contradictions.ts'
import { readConfigFile } from './file.ts'
import type { ConfigFile } from './file.ts'
import type { Mistake } from './mistakes.ts'
import { findMistakes, invalidConfig } from './mistakes.ts'
import { nearest } from './nearest.ts'
import { Config } from './schema.ts'

/** Where a configuration comes from. What is named later here wins over what is named earlier. */
export interface ConfigSources {
  /** YAML or JSON file, which must exist; none when left out. */
  readonly file?: string | undefined
  readonly env: Environment
  /** Options of the command line: name as typed, path of the setting, value. */
  readonly overrides?: readonly SourcedValue[]
}

type Tree = { [name: string]: unknown }

const loopbackHosts = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * Reads, merges and checks the whole configuration and returns it frozen.
 * Throws `invalid_config` whose `issues` list every mistake of every source, each with its place.
 */
export function loadConfig({ file, env, overrides = [] }: ConfigSources): Config {
  const layers = [
    ...(file === undefined ? [] : [readConfigFile(file)]),
    readValues(readEnvironment(env)),
    readValues(overrides),
  ]
  const mistakes = [
    ...layers.flatMap((layer) => layer.mistakes),
    ...unknownVariables(env).map(unknownVariable),
  ]
  if (mistakes.length > 0) throw invalidConfig(mistakes)

  const config = Config.parse(withReachableHost(mergeAll(layers)))
  const contradictions = findContradictions(config)
  if (contradictions.length > 0) throw invalidConfig(contradictions)
  return freeze(config)
}

/** A layer made of single values, each under its own name: environment variables or options. */
function readValues(entries: readonly SourcedValue[]): ConfigFile {
  const names = new Map<string, SourcedValue>()
  const mistakes: Mistake[] = []
  const values: Tree = {}
  for (const entry of entries) {
    const earlier = names.get(entry.path)
    if (earlier === undefined) {
      names.set(entry.path, entry)
      setAt(values, entry.path.split('.'), entry.value)
    } else if (JSON.stringify(earlier.value) !== JSON.stringify(entry.value)) {
      mistakes.push({
        where: `${earlier.name}, ${entry.name}`,
        path: entry.path,
        message: 'set to different values; keep one of the two',
      })
    }
  }
  const locate = (path: readonly string[]): string =>
    names.get(path.join('.'))?.name ?? (path.length === 0 ? '' : locate(path.slice(0, -1)))
  return { values, mistakes: [...mistakes, ...findMistakes(values, locate)], locate }
}

function unknownVariable(name: string): Mistake {
  const suggestion = nearest(
    name,
    environmentVariables.map((variable) => variable.name),
  )
  const hint =
    suggestion === undefined ? 'see docs/configuration.md' : `did you mean ${suggestion}?`
  return { where: name, path: '', message: `there is no such variable; ${hint}` }
}

function setAt(tree: Tree, [name = '', ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    tree[name] = value
    return
  }
  const child = isTree(tree[name]) ? tree[name] : {}
  tree[name] = child
  setAt(child, rest, value)
}

function mergeAll(layers: readonly ConfigFile[]): Tree {
  return layers.reduce<Tree>(
    (tree, { values }) => (isTree(values) ? merge(tree, values) : tree),
    {},
  )
}

function merge(lower: Tree, upper: Tree): Tree {
  const merged = { ...lower }
  for (const [name, value] of Object.entries(upper)) {
    const below = lower[name]
    merged[name] = isTree(below) && isTree(value) ? merge(below, value) : value
  }
  return merged
}

// Once a public name is configured, listening on loopback alone would be a listener that nobody reaches.
function withReachableHost(tree: Tree): Tree {
  const server = isTree(tree['server']) ? tree['server'] : {}
  const { host, publicUrl } = server
  if (host !== undefined || typeof publicUrl !== 'string') return tree
  if (loopbackHosts.has(new URL(publicUrl).hostname)) return tree
  return { ...tree, server: { ...server, host: '0.0.0.0' } }
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function freeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(freeze)
  return Object.freeze(value)
}
