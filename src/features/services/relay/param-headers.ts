import { encodeHeaderValue } from '../wire/header-value.ts'
import { isJsonObject, objectAt, parseJson, type JsonObject } from '../wire/json.ts'

/** A parameter of a tool that is also sent as a header (MCP 2026-07-28, `x-mcp-header`). */
interface HeaderParameter {
  /** Names of nested properties. */
  readonly path: readonly string[]
  readonly header: string
  readonly type: unknown
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const headerTypes: ReadonlySet<unknown> = new Set(['string', 'integer', 'boolean'])
const depthMax = 16

/**
 * Says whether the header annotations of a tool can be used: tokens of RFC 9110, each once whatever its case, on text,
 * integers and truth values reached through properties alone. A tool whose annotations cannot is not to be offered.
 */
export function hasUsableHeaders(toolJson: string): boolean {
  if (!toolJson.includes('x-mcp-header')) return true
  const parameters = headerParameters(toolJson)
  const names = new Set(parameters.map(({ header }) => header.toLowerCase()))
  const everywhere = toolJson.split('"x-mcp-header"').length - 1
  return (
    names.size === parameters.length &&
    everywhere === parameters.length &&
    parameters.every(({ header, type }) => token.test(header) && headerTypes.has(type))
  )
}

/** The headers that go with a call of the tool: a flat list name, value, … */
export function paramHeaders(toolJson: string, args: JsonObject): string[] {
  if (!toolJson.includes('x-mcp-header')) return []
  return headerParameters(toolJson).flatMap(({ path, header }) => {
    const value = path.reduce<unknown>(
      (from, name) => (isJsonObject(from) ? from[name] : undefined),
      args,
    )
    const isSent = ['string', 'number', 'boolean'].includes(typeof value)
    return isSent ? [`Mcp-Param-${header}`, encodeHeaderValue(String(value))] : []
  })
}

function headerParameters(toolJson: string): HeaderParameter[] {
  return walk(objectAt(parseJson(toolJson), 'inputSchema'), [])
}

function walk(schema: JsonObject, path: readonly string[]): HeaderParameter[] {
  if (path.length > depthMax) return []
  return Object.entries(objectAt(schema, 'properties')).flatMap(([name, property]) => {
    if (!isJsonObject(property)) return []
    const header = property['x-mcp-header']
    const here = [...path, name]
    const own = header === undefined ? [] : [toParameter(property, here, header)]
    return [...own, ...walk(property, here)]
  })
}

function toParameter(
  property: JsonObject,
  path: readonly string[],
  header: unknown,
): HeaderParameter {
  return { path, header: typeof header === 'string' ? header : '', type: property['type'] }
}
