import { isObject, type JsonObject, type Message } from './message.ts'

/** What tools want to have repeated in headers: their `x-mcp-header` annotations (MCP 2026-07-28, transports). */
export interface ParamHeaders {
  /** Takes note of the tools that the answer to a `tools/list` names. */
  learn(answer: JsonObject): void
  /** The headers for a call, from its own arguments. */
  of(message: Message): Record<string, string>
}

interface Annotation {
  readonly header: string
  /** Names of nested properties, outermost first. */
  readonly path: readonly string[]
}

const depthMax = 8

/** Begins to take note. */
export function createParamHeaders(): ParamHeaders {
  const annotations = new Map<string, readonly Annotation[]>()
  return {
    learn(answer) {
      const result = isObject(answer['result']) ? answer['result'] : {}
      const tools = Array.isArray(result['tools']) ? result['tools'].filter(isObject) : []
      for (const { name, inputSchema } of tools) {
        if (typeof name === 'string') annotations.set(name, annotationsIn(inputSchema, []))
      }
    },
    of({ method, params }) {
      const { name, arguments: args } = params
      if (method !== 'tools/call' || typeof name !== 'string') return {}
      const found = (annotations.get(name) ?? []).flatMap(({ header, path }) => {
        const value = path.reduce<unknown>((at, key) => (isObject(at) ? at[key] : undefined), args)
        return isScalar(value) ? [[`mcp-param-${header}`, encodeHeaderValue(String(value))]] : []
      })
      return Object.fromEntries(found) as Record<string, string>
    },
  }
}

function annotationsIn(schema: unknown, path: readonly string[]): readonly Annotation[] {
  const properties = isObject(schema) ? schema['properties'] : undefined
  if (!isObject(properties) || path.length >= depthMax) return []
  return Object.entries(properties).flatMap(([name, property]) => {
    const header = isObject(property) ? property['x-mcp-header'] : undefined
    const isToken = typeof header === 'string' && /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(header)
    const own = isToken ? [{ header, path: [...path, name] }] : []
    return [...own, ...annotationsIn(property, [...path, name])]
  })
}

function isScalar(value: unknown): value is string | number | boolean {
  return ['string', 'number', 'boolean'].includes(typeof value)
}

/** A text as the value of a header: as it is where a header can hold it, else marked and in base64. */
export function encodeHeaderValue(text: string): string {
  const isPlain =
    /^[\x20-\x7e]*$/.test(text) && text.trim() === text && !text.startsWith('=?base64?')
  return isPlain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`
}
