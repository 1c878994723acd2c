import type { z } from 'zod'
import { AppError } from '../lib/errors.ts'
import { nearest } from './nearest.ts'
import { Config } from './schema.ts'
import { listSettings } from './settings.ts'

/** One thing that is wrong with the configuration. */
export interface Mistake {
  /** Where it was read: `portico.yaml:3:5`, `PORTICO_PORT`, `--port`. */
  readonly where: string
  /** Dotted path of the setting; `''` where the mistake concerns none. */
  readonly path: string
  /** What is wrong and what to do, e.g. `must be at least 1`. */
  readonly message: string
}

/** Finds where the setting at `path` was read. `isKey` asks for its name instead of its value. */
export type Locate = (path: readonly string[], isKey: boolean) => string

/** Everything that is wrong with one source of the configuration, taken by itself. */
export function findMistakes(values: unknown, locate: Locate): Mistake[] {
  const { error } = Config.safeParse(values, { error: explain })
  return (error?.issues ?? []).flatMap((issue) => {
    const path = issue.path.map(String)
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => unknownSetting([...path, key], locate))
    }
    return [{ where: locate(path, false), path: path.join('.'), message: issue.message }]
  })
}

/** An `invalid_config` error that lists every mistake. */
export function invalidConfig(mistakes: readonly Mistake[]): AppError {
  const count = mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`
  return new AppError('invalid_config', `The configuration has ${count}.`, {
    issues: mistakes.map(({ where, path, message }) => ({
      path: [where, path].filter((part) => part !== '').join(' '),
      message,
    })),
  })
}

const typeNames: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a number',
  object: 'a group of settings',
  string: 'text',
}

function explain(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') return `must be ${typeNames[issue.expected] ?? issue.expected}`
  if (issue.code === 'too_small') return `must be at least ${smallest(issue)}`
  if (issue.code === 'too_big') return `must be at most ${issue.maximum}`
  if (issue.code === 'invalid_value')
    return `must be one of: ${issue.values.map(String).join(', ')}`
  if (issue.code === 'invalid_format' && issue.format === 'url') {
    return 'must be a URL that starts with http:// or https://'
  }
  return undefined
}

type Bound = Pick<z.core.$ZodRawIssue<z.core.$ZodIssueTooSmall>, 'minimum' | 'inclusive'>

function smallest({ minimum, inclusive }: Bound): number {
  return Number(minimum) + (inclusive === false ? 1 : 0)
}

function unknownSetting(path: readonly string[], locate: Locate): Mistake {
  const suggestion = suggest(path)
  const hint =
    suggestion === undefined ? 'see docs/configuration.md' : `did you mean ${suggestion}?`
  return {
    where: locate(path, true),
    path: path.join('.'),
    message: `there is no such setting; ${hint}`,
  }
}

// A slip of the pen beside the right name comes first, then the right name in the wrong group.
function suggest(path: readonly string[]): string | undefined {
  const paths = listSettings().flatMap((setting) => prefixesOf(setting.path))
  const parent = path
    .slice(0, -1)
    .map((name) => `${name}.`)
    .join('')
  const name = path.at(-1) ?? ''
  const siblings = paths
    .filter((other) => other.startsWith(parent))
    .map((other) => other.slice(parent.length))
  const close = nearest(name, new Set(siblings.filter((sibling) => !sibling.includes('.'))))
  if (close !== undefined) return parent + close
  return paths.find((other) => other.endsWith(`.${name}`))
}

function prefixesOf(path: string): string[] {
  const names = path.split('.')
  return names.map((_, index) => names.slice(0, index + 1).join('.'))
}
