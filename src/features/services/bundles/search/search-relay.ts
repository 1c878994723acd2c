import type { ClientCall, ClientProfile, Relay } from '../../relay/relay.ts'
import type { CallSink, ConnectionListener, RunningCall } from '../../upstream/connection.ts'
import { isJsonObject, objectAt, textAt } from '../../wire/json.ts'
import { RpcError, rpcCodes, toRpcError } from '../../wire/rpc-error.ts'
import {
  editMessage,
  makeError,
  makeRawResult,
  paramsOf,
  type RpcNotification,
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
/** Every word is looked for in every tool. */
const queryCharsMax = 500
const toolsTtlMs = 60 * 60_000
const introductions: ReadonlySet<string> = new Set(['initialize', 'server/discover'])

/** The relay of one client with tools to find tools and to call them. Wraps another one, and disposes of it. */
export class SearchRelay implements Relay {
  private readonly relay: Relay
  private readonly profile: ClientProfile
  private readonly options: SearchOptions
  private readonly searches = new Map<string, AbortController>()

  constructor(relay: Relay, profile: ClientProfile, options: SearchOptions) {
    this.relay = relay
    this.profile = profile
    this.options = options
  }

  get lost(): Promise<void> {
    return this.relay.lost
  }

  request(call: ClientCall, sink: CallSink): RunningCall {
    const { method, bytes } = call.request
    if (method === 'tools/list') return answer(call, sink, () => this.listTools(call))
    if (introductions.has(method)) return this.relay.request(call, withTools(sink))
    const name = method === 'tools/call' ? textIn(bytes, ['params', 'name']) : undefined
    if (name === 'find_tools') return this.findTools(call, sink)
    return name === 'call_tool' ? this.callTool(call, sink) : this.relay.request(call, sink)
  }

  notify(notification: RpcNotification): void {
    const isCancel = notification.method === 'notifications/cancelled'
    const id = isCancel ? rawAt(notification.bytes, ['params', 'requestId'])?.toString() : undefined
    const search = id === undefined ? undefined : this.searches.get(id)
    if (search === undefined) this.relay.notify(notification)
    else search.abort()
  }

  listen(listener: ConnectionListener): () => void {
    return this.relay.listen(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const search of this.searches.values()) search.abort()
    await this.relay[Symbol.asyncDispose]()
  }

  private listTools({ request }: ClientCall): RpcResponse {
    if (paramsOf(request)['cursor'] !== undefined) {
      return makeError(request.id, new RpcError(rpcCodes.invalidParams, 'Invalid cursor'))
    }
    const caching = this.isModern ? `,"ttlMs":${toolsTtlMs},"cacheScope":"private"` : ''
    const tools = JSON.stringify(searchTools)
    return makeRawResult(request.id, `{"tools":${tools}${this.completeness}${caching}}`)
  }

  private findTools(call: ClientCall, sink: CallSink): RunningCall {
    const { request, requestId } = call
    const givenUp = new AbortController()
    this.searches.set(request.id, givenUp)
    this.search(call, givenUp.signal)
      .catch((error: unknown) => makeError(request.id, toRpcError(error, requestId)))
      .finally(() => {
        if (this.searches.get(request.id) === givenUp) this.searches.delete(request.id)
      })
      .then((response) => {
        if (!givenUp.signal.aborted) sink.onResponse(response)
      })
      .catch(() => {})
    return { cancel: () => givenUp.abort() }
  }

  private async search(
    { request, requestId }: ClientCall,
    client: AbortSignal,
  ): Promise<RpcResponse> {
    const params = paramsOf(request)
    const query = readQuery(objectAt(params, 'arguments'))
    if (typeof query === 'string') return this.toolError(request.id, query)
    const signal = AbortSignal.any([client, AbortSignal.timeout(listDeadlineMs)])
    const meta = metaFor(this.profile, objectAt(params, '_meta'))
    const list = await readWholeList(this.relay, 'tools', { meta, requestId, signal })
    const found = describeFound(list, query, this.options.countTokens)
    const content = JSON.stringify([{ type: 'text', text: found }])
    const result = `{"content":${content},"structuredContent":${found}${this.completeness}}`
    return makeRawResult(request.id, result)
  }

  /** Passes `call_tool` on as the call of the tool that it names; whatever that says is not touched. */
  private callTool(call: ClientCall, sink: CallSink): RunningCall {
    // Headers of parameters describe call_tool, not the tool.
    const { paramHeaders: _, ...kept } = call
    const { bytes, id } = call.request
    const name = textIn(bytes, ['params', 'arguments', 'name'])
    const given = rawAt(bytes, ['params', 'arguments', 'arguments'])?.toString()
    if (name === undefined || given?.startsWith('{') === false) {
      const advice = 'call_tool needs the name of a tool, and an object as arguments.'
      return answer(call, sink, () => this.toolError(id, advice))
    }
    const request = editMessage(call.request, [
      { path: ['params', 'name'], json: JSON.stringify(name) },
      { path: ['params', 'arguments'], json: given },
    ])
    return this.relay.request({ ...kept, request }, sink)
  }

  /** What the model is told, so that it can do better. */
  private toolError(id: string, text: string): RpcResponse {
    const content = JSON.stringify([{ type: 'text', text }])
    return makeRawResult(id, `{"content":${content},"isError":true${this.completeness}}`)
  }

  private get isModern(): boolean {
    return this.profile.era === 'modern'
  }

  private get completeness(): string {
    return this.isModern ? ',"resultType":"complete"' : ''
  }
}

function answer(call: ClientCall, sink: CallSink, make: () => RpcResponse): RunningCall {
  const { request, requestId } = call
  let isCancelled = false
  Promise.try(make)
    .catch((error: unknown) => makeError(request.id, toRpcError(error, requestId)))
    .then((response) => {
      if (!isCancelled) sink.onResponse(response)
    })
    .catch(() => {})
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
      const path: [string, ...string[]] = ['result', 'capabilities', 'tools']
      const isComplete = response.isError || rawAt(response.bytes, path) !== undefined
      sink.onResponse(isComplete ? response : editMessage(response, [{ path, json: '{}' }]))
    },
  }
}

/** Reads the arguments of `find_tools`; what is wrong with them otherwise, as the model is told. */
function readQuery(args: unknown): ToolQuery | string {
  const query = textAt(args, 'query')
  const limit = isJsonObject(args) ? (args['limit'] ?? limitDefault) : undefined
  if (query === undefined) return 'find_tools needs a query, a text.'
  if (query.length > queryCharsMax) {
    return `The query of find_tools must be a few words, at most ${queryCharsMax} characters.`
  }
  const isNumber = typeof limit === 'number' && Number.isInteger(limit) && limit >= 1
  if (!isNumber) return `limit must be a whole number from 1 to ${limitMax}.`
  return { query, limit: Math.min(limit, limitMax) }
}
