import { z } from 'zod'
import { Config } from './schema.ts'

/** One setting of the configuration, as its schema describes it. */
export interface Setting {
  /** Dotted path, e.g. `models.cache.ttlMs`. */
  readonly path: string
  /** For people: `integer ≥ 1`, `"debug" | "info"`, `list of text`. */
  readonly type: string
  /** As JSON; `undefined` where there is none. */
  readonly default: unknown
  readonly description: string
}

type JsonSchema = z.core.JSONSchema.JSONSchema

/** Every setting, in the order of the schema. */
export function listSettings(): Setting[] {
  return settingsOf(z.toJSONSchema(Config, { io: 'input', unrepresentable: 'any' }), '')
}

function settingsOf(schema: JsonSchema, prefix: string): Setting[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
    if (typeof child === 'boolean') return []
    const path = prefix + name
    if (child.properties !== undefined) return settingsOf(child, `${path}.`)
    return [
      { path, type: typeName(child), default: child.default, description: child.description ?? '' },
    ]
  })
}

function typeName(schema: JsonSchema): string {
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  if (schema.type === 'array') return `list of ${typeName(itemOf(schema))}`
  if (schema.type === 'string') return schema.format === 'secret' ? 'secret' : 'text'
  return `${String(schema.type)}${rangeOf(schema)}`
}

function itemOf(schema: JsonSchema): JsonSchema {
  const { items } = schema
  return typeof items === 'object' && !Array.isArray(items) ? items : {}
}

function rangeOf({ minimum, exclusiveMinimum, maximum }: JsonSchema): string {
  const lowest = typeof exclusiveMinimum === 'number' ? exclusiveMinimum + 1 : minimum
  if (lowest === undefined) return ''
  const isBounded = maximum !== undefined && maximum < 2 ** 31 - 1
  return isBounded ? ` ${lowest}–${maximum}` : ` ≥ ${lowest}`
}
