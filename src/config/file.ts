import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { isMap, isNode, isScalar, LineCounter, parseDocument, visit } from 'yaml'
import type { Document, YAMLMap } from 'yaml'
import { AppError } from '../lib/errors.ts'
import type { Locate, Mistake } from './mistakes.ts'
import { findMistakes, invalidConfig } from './mistakes.ts'

/** What one configuration file says. */
export interface ConfigFile {
  /** The nested values; only of use when there are no mistakes. */
  readonly values: unknown
  readonly mistakes: readonly Mistake[]
  readonly locate: Locate
}

/** The configuration file that a start without `--config` reads: `portico.yaml`, else `portico.json`, in `folder`; `undefined` when neither exists. */
export function findConfigFile(folder: string): string | undefined {
  return ['portico.yaml', 'portico.json']
    .map((name) => path.join(folder, name))
    .find((file) => existsSync(file))
}

/** Reads a YAML or JSON file. Throws `invalid_config` when the file cannot be read at all. */
export function readConfigFile(file: string): ConfigFile {
  return parseConfigText(readText(file), path.basename(file))
}

/**
 * Parses configuration text; JSON is read as the YAML it also is. `name` is how mistakes call the source.
 * Aliases and tags are refused: a configuration is data, and neither may multiply or construct any.
 */
export function parseConfigText(text: string, name: string): ConfigFile {
  const lines = new LineCounter()
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    logLevel: 'error',
  })
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset)
    return `${name}:${line}:${col}`
  }
  const locate: Locate = (keys, isKey) => place(offsetOf(document, keys, isKey))
  const grammarMistakes = [
    ...[...document.errors, ...document.warnings].map(({ pos, message }) => ({
      where: place(pos[0]),
      path: '',
      message,
    })),
    ...findAliases(document).map((offset) => ({
      where: place(offset),
      path: '',
      message: 'aliases are not supported: write the value out',
    })),
  ]
  if (grammarMistakes.length > 0) return { values: {}, mistakes: grammarMistakes, locate }
  const values: unknown = document.toJS() ?? {}
  const mistakes = findMistakes(values, locate).sort((one, other) =>
    inOrder(one.where, other.where),
  )
  return { values, mistakes, locate }
}

// Numeric, so that line 10 comes after line 9.
const { compare: inOrder } = new Intl.Collator('en', { numeric: true })

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error'
    const { message, details } = invalidConfig([
      { where: file, path: '', message: `cannot be read (${code})` },
    ])
    throw new AppError('invalid_config', message, { ...details, cause })
  }
}

function findAliases(document: Document): number[] {
  const offsets: number[] = []
  visit(document, {
    Alias(_, node) {
      offsets.push(node.range?.[0] ?? 0)
    },
  })
  return offsets
}

/** Offset of the deepest node on the path that exists, so that a missing value is reported where it belongs. */
function offsetOf(document: Document, keys: readonly string[], isKey: boolean): number {
  if (isKey) {
    const parent = document.getIn(keys.slice(0, -1), true)
    const key = isMap(parent) ? keyNode(parent, keys.at(-1)) : undefined
    if (key !== undefined) return key
  }
  const node = keys.length === 0 ? document.contents : document.getIn(keys, true)
  if (isNode(node)) return node.range?.[0] ?? 0
  return keys.length === 0 ? 0 : offsetOf(document, keys.slice(0, -1), false)
}

function keyNode(map: YAMLMap, name: string | undefined): number | undefined {
  const pair = map.items.find(({ key }) => isScalar(key) && String(key.value) === name)
  return isScalar(pair?.key) ? pair.key.range?.[0] : undefined
}
