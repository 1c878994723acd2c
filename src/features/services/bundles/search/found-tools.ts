import type { ListedItem } from '../../catalogue/catalogue.ts'
import { rawAt } from '../json-reading.ts'
import type { WholeList } from '../member-list.ts'
import { rankTools } from './tool-ranking.ts'
import { toolTokens } from './token-cost.ts'

/** What `find_tools` was asked. */
export interface ToolQuery {
  readonly query: string
  /** Most tools to be returned. */
  readonly limit: number
}

/**
 * The answer of `find_tools`, JSON text: the tools that fit best, each with what it takes to call it. Descriptions and
 * schemas are those of the server, to the letter.
 */
export function describeFound(
  { items, omitted }: WholeList,
  { query, limit }: ToolQuery,
  countTokens?: (text: string) => number,
): string {
  const parsed = items.map(({ json }) => JSON.parse(json) as unknown)
  const ranked = rankTools(parsed, query)
  const tools = ranked.slice(0, limit).map(({ index, score }) => {
    const item = items[index] as ListedItem
    return describeTool(item, { score, tokens: toolTokens(item.json, countTokens) })
  })
  const more = omitted.length > 0 ? `,"omitted":${JSON.stringify(omitted)}` : ''
  return `{"tools":[${tools.join(',')}],"matching":${ranked.length},"total":${items.length}${more}}`
}

function describeTool(
  { name, json }: ListedItem,
  { score, tokens }: { score: number; tokens: number },
): string {
  const bytes = Buffer.from(json)
  const members = [`"name":${JSON.stringify(name)}`]
  for (const member of ['description', 'inputSchema']) {
    const raw = rawAt(bytes, [member])
    if (raw !== undefined) members.push(`"${member}":${raw.toString()}`)
  }
  return `{${members.join(',')},"score":${score},"tokens":${tokens}}`
}
