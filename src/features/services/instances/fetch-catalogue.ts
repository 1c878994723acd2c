import { setImmediate as nextTurn } from 'node:timers/promises'
import { scanElements } from '../../../net/json-scan.ts'
import type { FetchedCatalogue, ListedItem, ListKind } from '../catalogue/catalogue.ts'
import type { Connection } from '../upstream/connection.ts'
import { parseJson, textAt, type JsonObject } from '../wire/json.ts'
import { nestedBytes } from '../wire/json-member.ts'
import { metaKeys } from '../wire/meta-keys.ts'
import { latestModernVersion } from '../wire/protocol-versions.ts'
import { AppError } from '../../../lib/errors.ts'
import { makeRequest, resultOf, type RpcResponse } from '../wire/rpc-message.ts'

/** Where each list comes from: the capability that announces it, its method, its member of the result, what names an entry. */
export const listSources: Readonly<
  Record<ListKind, { capability: string; method: string; member: string; name: string }>
> = {
  tools: { capability: 'tools', method: 'tools/list', member: 'tools', name: 'name' },
  prompts: { capability: 'prompts', method: 'prompts/list', member: 'prompts', name: 'name' },
  resources: {
    capability: 'resources',
    method: 'resources/list',
    member: 'resources',
    name: 'uri',
  },
  templates: {
    capability: 'resources',
    method: 'resources/templates/list',
    member: 'resourceTemplates',
    name: 'uriTemplate',
  },
}

const pagesMax = 1000
const itemsMax = 10_000
/** No client can read more than that, and it would be held in memory and written to the store. */
const listBytesMax = 4 * 1024 * 1024
/** Others have their turn after so many entries. */
const itemsPerTurn = 200

/**
 * Reads all lists of a server that it says it has, every page of them. A list that it refuses is empty; a cursor that
 * does not advance ends its list. Rejects where the connection fails or `signal` aborts, and with `upstream_failed` for
 * a list of more than 4 MiB.
 */
export async function fetchCatalogue(
  connection: Connection,
  signal: AbortSignal,
): Promise<FetchedCatalogue> {
  const { hello } = connection
  const kinds = Object.keys(listSources) as ListKind[]
  const lists = await Promise.all(
    kinds.map(async (kind) => [kind, await fetchList(connection, kind, signal)] as const),
  )
  return { hello, lists: Object.fromEntries(lists) as FetchedCatalogue['lists'] }
}

async function fetchList(
  connection: Connection,
  kind: ListKind,
  signal: AbortSignal,
): Promise<readonly ListedItem[]> {
  const { capability, method, member, name } = listSources[kind]
  if (connection.hello.capabilities[capability] === undefined) return []
  const items: ListedItem[] = []
  const seen = new Set<string>()
  let bytes = 0
  let cursor: string | undefined
  for (let page = 0; page < pagesMax && items.length < itemsMax; page += 1) {
    const params = cursor === undefined ? {} : { cursor }
    const response = await ask(connection, { method, params }, signal)
    if (response.isError) return items
    bytes += response.bytes.length
    if (bytes > listBytesMax) {
      throw new AppError('upstream_failed', `The list of ${kind} of the server is too long.`)
    }
    items.push(...(await itemsOf(response, member, name)))
    cursor = textAt(resultOf(response), 'nextCursor')
    if (cursor === undefined || seen.has(cursor)) return items
    seen.add(cursor)
  }
  return items
}

/** Sends one request of our own, and resolves with its answer. The envelope of the modern era is added. */
export function ask(
  connection: Connection,
  { method, params }: { readonly method: string; readonly params: JsonObject },
  signal: AbortSignal,
): Promise<RpcResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<RpcResponse>()
  const sent = connection.era === 'modern' ? { ...params, _meta: ownEnvelope } : params
  const call = connection.request(makeRequest('0', method, sent), {
    onNotification: () => undefined,
    onRequest: () => undefined,
    onResponse: resolve,
    onFailure: reject,
  })
  const onAbort = () => {
    call.cancel('timeout')
    reject(new AppError('upstream_timeout', 'The server did not answer in time.'))
  }
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  return promise.finally(() => signal.removeEventListener('abort', onAbort))
}

const ownEnvelope = {
  [metaKeys.protocolVersion]: latestModernVersion,
  [metaKeys.clientCapabilities]: {},
}

/** The entries of a list as JSON text, byte for byte. What has no name of the right kind cannot be asked for, and is left out. */
async function itemsOf(
  { bytes }: RpcResponse,
  member: string,
  nameMember: string,
): Promise<ListedItem[]> {
  const list = nestedBytes(bytes, 'result', member)
  const items: ListedItem[] = []
  if (list === undefined) return items
  for (const [index, { start, end }] of (scanElements(list) ?? []).entries()) {
    if (index % itemsPerTurn === itemsPerTurn - 1) await nextTurn()
    const json = list.toString('utf8', start, end)
    const name = textAt(parseJson(json), nameMember)
    if (name !== undefined && items.length < itemsMax) items.push({ name, json })
  }
  return items
}
