import type { ClientCall, ClientProfile, Relay } from '../../relay/relay.ts'
import type { CallSink, RunningCall } from '../../upstream/connection.ts'
import { isJsonObject, objectAt, textAt } from '../../wire/json.ts'
import { RpcError, rpcCodes, toRpcError } from '../../wire/rpc-error.ts'
import {
  editMessage,
  makeError,
  makeRawResult,
  paramsOf,
  type RpcResponse,
} from '../../wire/rpc-message.ts'
import { metaFor } from '../ask.ts'
import { rawAt, textIn } from '../json-reading.ts'
import { readWholeList } from '../member-list.ts'
import { describeFound, type ToolQuery } from './found-tools.ts'
import { limitDefault, limitMax, searchTools } from './search-tools.ts'

/** How tools are searched. */
export interface SearchOptions {
  /** Counts the tokens of a text, where something better than an estimate is at hand. */
  readonly countTokens?: ((text: string) => number) | undefined
}

/** A service may have to be started before it can be searched. */
const listDeadlineMs = 60_000

/** Wraps the relay of one client, which is disposed of with this one. */
export function createSearchRelay(
  relay: Relay,
  profile: ClientProfile,
  options: SearchOptions,
): Relay {
  const searches = new Map<string, AbortController>()

  function find(call: ClientCall, sink: CallSink): RunningCall {
    const { request, requestId } = call
    const givenUp = new AbortController()
    searches.set(request.id, givenUp)
    search(call, givenUp.signal)
      .catch((error: unknown) => makeError(request.id, toRpcError(error, requestId)))
      .then((response) => {
        if (searches.get(request.id) === givenUp) searches.delete(request.id)
        if (!givenUp.signal.aborted) sink.onResponse(response)
      })
      .catch(() => {})
    return { cancel: () => givenUp.abort() }
  }

  async function search({ request, requestId }: ClientCall, client: AbortSignal) {
    const params = paramsOf(request)
    const query = readQuery(objectAt(params, 'arguments'))
    if (typeof query === 'string') return makeToolError(request.id, query)
    const signal = AbortSignal.any([client, AbortSignal.timeout(listDeadlineMs)])
    const meta = metaFor(profile, objectAt(params, '_meta'))
    const list = await readWholeList(relay, 'tools', { meta, requestId, signal })
    const found = describeFound(list, query, options.countTokens)
    const content = JSON.stringify([{ type: 'text', text: found }])
    const result = `{"content":${content},"structuredContent":${found}${tail}}`
    return makeRawResult(request.id, result)
  }

  function makeToolError(id: string, text: string): RpcResponse {
    const content = JSON.stringify([{ type: 'text', text }])
    return makeRawResult(id, `{"content":${content},"isError":true${tail}}`)
  }

  /** Passes `call_tool` on as the call of the tool that it names; whatever that says is not touched. */
  function callTool(call: ClientCall, sink: CallSink): RunningCall {
    const { paramHeaders: _, ...kept } = call
    const { bytes, id } = call.request
    const name = textIn(bytes, ['params', 'arguments', 'name'])
    const given = rawAt(bytes, ['params', 'arguments', 'arguments'])?.toString()
    if (name === undefined || given?.startsWith('{') === false) {
      return answer(
        sink,
        makeToolError(id, 'call_tool needs the name of a tool, and an object as arguments.'),
      )
    }
    const request = editMessage(call.request, [
      { path: ['params', 'name'], json: JSON.stringify(name) },
      { path: ['params', 'arguments'], json: given },
    ])
    return relay.request({ ...kept, request }, sink)
  }

  const tail = profile.era === 'modern' ? ',"resultType":"complete"' : ''
  const listTail = tail === '' ? '' : `${tail},"ttlMs":${toolsTtlMs},"cacheScope":"private"`

  function listTools({ request }: ClientCall, sink: CallSink): RunningCall {
    const hasCursor = paramsOf(request)['cursor'] !== undefined
    const result = `{"tools":${JSON.stringify(searchTools)}${listTail}}`
    return answer(
      sink,
      hasCursor
        ? makeError(request.id, new RpcError(rpcCodes.invalidParams, 'Invalid cursor'))
        : makeRawResult(request.id, result),
    )
  }

  return {
    request(call, sink) {
      const { method, bytes } = call.request
      if (method === 'tools/list') return listTools(call, sink)
      if (introductions.has(method)) return relay.request(call, withTools(sink))
      const name = method === 'tools/call' ? textIn(bytes, ['params', 'name']) : undefined
      if (name === 'find_tools') return find(call, sink)
      return name === 'call_tool' ? callTool(call, sink) : relay.request(call, sink)
    },
    notify(notification) {
      const isCancel = notification.method === 'notifications/cancelled'
      const id = isCancel && rawAt(notification.bytes, ['params', 'requestId'])?.toString()
      const search = id ? searches.get(id) : undefined
      if (search === undefined) relay.notify(notification)
      else search.abort()
    },
    listen: (listener) => relay.listen(listener),
    lost: relay.lost,
    async [Symbol.asyncDispose]() {
      for (const search of searches.values()) search.abort()
      await relay[Symbol.asyncDispose]()
    },
  }
}

const toolsTtlMs = 60 * 60_000
const introductions: ReadonlySet<string> = new Set(['initialize', 'server/discover'])

function answer(sink: CallSink, response: RpcResponse): RunningCall {
  let isCancelled = false
  queueMicrotask(() => {
    if (!isCancelled) sink.onResponse(response)
  })
  return {
    cancel() {
      isCancelled = true
    },
  }
}

/** Whatever stands behind, tools there are. */
function withTools(sink: CallSink): CallSink {
  return {
    onNotification: (notification) => sink.onNotification(notification),
    onRequest: (request, respond) => sink.onRequest(request, respond),
    onFailure: (error) => sink.onFailure(error),
    onResponse(response) {
      const tools = rawAt(response.bytes, ['result', 'capabilities', 'tools'])
      const isComplete = response.isError || tools !== undefined
      const path: [string, ...string[]] = ['result', 'capabilities', 'tools']
      sink.onResponse(isComplete ? response : editMessage(response, [{ path, json: '{}' }]))
    },
  }
}

/** Reads the arguments of `find_tools`; what is wrong with them otherwise, as the model is told. */
function readQuery(args: unknown): ToolQuery | string {
  const query = textAt(args, 'query')
  const limit = isJsonObject(args) ? (args['limit'] ?? limitDefault) : undefined
  if (query === undefined) return 'find_tools needs a query, a text.'
  const isNumber = typeof limit === 'number' && Number.isInteger(limit) && limit >= 1
  if (!isNumber) return `limit must be a whole number from 1 to ${limitMax}.`
  return { query, limit: Math.min(limit, limitMax) }
}
