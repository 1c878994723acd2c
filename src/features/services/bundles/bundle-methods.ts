import type { ListKind } from '../catalogue/catalogue.ts'
import type { ClientCall, ClientProfile } from '../relay/relay.ts'
import type { Bundle } from '../service.ts'
import type { MemberEdit } from '../wire/json-edit.ts'
import { objectAt, textAt, type JsonObject } from '../wire/json.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import { editMessage, makeRawResult, makeResult, paramsOf } from '../wire/rpc-message.ts'
import type { BundleLists, ListReason } from './bundle-lists.ts'
import type { Outcome } from './calls.ts'
import type { ClientState } from './client-state.ts'
import { textIn } from './json-reading.ts'
import { readCursor, type Sealer } from './list-cursor.ts'
import { makePage } from './list-page.ts'
import type { Introduction } from './member-hellos.ts'
import type { MemberRelays } from './member-relays.ts'
import type { Member } from './member.ts'
import { makeDiscoverResult, makeInitializeResult } from './merged-hello.ts'
import type { ResourceRoutes } from './resource-routes.ts'
import { hideTasksInRequest } from './without-tasks.ts'

/** What the methods of a bundle need. */
export interface BundleMethodsOptions {
  readonly bundle: Bundle
  readonly profile: ClientProfile
  readonly relays: MemberRelays
  readonly lists: BundleLists
  readonly resources: ResourceRoutes
  readonly state: ClientState
  readonly sealer: Sealer
  readonly introductions: (reason: ListReason) => Promise<readonly Introduction[]>
}

/** The methods of a bundle, but for `subscriptions/listen`. */
export interface BundleMethods {
  /** Rejects with RpcError, which is what the client is told. */
  perform(call: ClientCall, signal: AbortSignal): Promise<Outcome>
}

type Method = (call: ClientCall, signal: AbortSignal) => Promise<Outcome>

/** Creates the methods for one client: those of its era. */
export function createBundleMethods(options: BundleMethodsOptions): BundleMethods {
  const { profile, relays } = options
  const own = profile.era === 'legacy' ? legacyMethods(options) : modernMethods(options)
  const methods = new Map(Object.entries({ ...sharedMethods(options), ...own }))
  return {
    async perform(call, signal) {
      const { method } = call.request
      const known = methods.get(method)
      if (known !== undefined) return known(call, signal)
      const [only, ...others] = relays.visible()
      const isRefused = only === undefined || others.length > 0 || ofOneEra.has(method)
      if (isRefused) throw new RpcError(rpcCodes.methodNotFound, `Method not found: ${method}`)
      return forward(options, call, { member: only })
    },
  }
}

/** Methods that only one of the eras has; the members of a bundle are not asked for those of the other. */
const ofOneEra: ReadonlySet<string> = new Set([
  'initialize',
  'ping',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
  'server/discover',
  'subscriptions/listen',
])

function sharedMethods(options: BundleMethodsOptions): Readonly<Record<string, Method>> {
  return {
    'tools/list': listMethod(options, 'tools'),
    'prompts/list': listMethod(options, 'prompts'),
    'resources/list': listMethod(options, 'resources'),
    'resources/templates/list': listMethod(options, 'templates'),
    'tools/call': (call) => callNamed(options, call, { kind: 'tools', path: ['params', 'name'] }),
    'prompts/get': (call) =>
      callNamed(options, call, { kind: 'prompts', path: ['params', 'name'] }),
    'resources/read': async (call) => {
      const member = await options.resources.memberOf(uriOf(call), call.requestId)
      return forward(options, call, { member })
    },
    'completion/complete': (call) => complete(options, call),
  }
}

function legacyMethods(options: BundleMethodsOptions): Readonly<Record<string, Method>> {
  const { bundle, relays, resources, state } = options
  return {
    initialize: async (call, signal) => {
      const introductions = await options.introductions({ requestId: call.requestId, signal })
      const { protocolVersion } = paramsOf(call.request)
      return answer(call, makeInitializeResult(bundle, introductions, protocolVersion))
    },
    ping: async (call) => answer(call, {}),
    'logging/setLevel': async (call) => {
      const level = textIn(call.request.bytes, ['params', 'level']) ?? ''
      if (!logLevels.has(level)) throw invalid('level is none of the levels of log messages')
      state.setLogLevel(level, relays.opened())
      return answer(call, {})
    },
    'resources/subscribe': async (call) => {
      const uri = uriOf(call)
      const member = await resources.memberOf(uri, call.requestId)
      // Opened before it is noted, or else the member would be told twice. What fails now, fails again below.
      if (!state.hasRoom) throw invalid('there are too many subscriptions already')
      const opened = await Promise.try(() => relays.open(member)).catch(() => undefined)
      if (opened !== undefined) state.subscribe(uri, opened.key)
      return forward(options, call, { member })
    },
    'resources/unsubscribe': async (call) => {
      const uri = uriOf(call)
      const owner = relays.find(state.ownerOf(uri) ?? '')
      state.unsubscribe(uri)
      const member = owner ?? (await resources.memberOf(uri, call.requestId))
      return forward(options, call, { member })
    },
  }
}

const logLevels: ReadonlySet<string> = new Set(
  'debug info notice warning error critical alert emergency'.split(' '),
)

function modernMethods(options: BundleMethodsOptions): Readonly<Record<string, Method>> {
  return {
    'server/discover': async (call, signal) => {
      const meta = objectAt(paramsOf(call.request), '_meta')
      const reason = { requestId: call.requestId, meta, signal }
      return answer(call, makeDiscoverResult(options.bundle, await options.introductions(reason)))
    },
  }
}

function listMethod(options: BundleMethodsOptions, kind: ListKind): Method {
  const { bundle, profile, sealer } = options
  const context = `bundles/${bundle.id}/${kind}/${profile.caller.keyId}`
  return async (call, signal) => {
    const params = paramsOf(call.request)
    const { cursor } = params
    const position = cursor === undefined ? undefined : await readCursor(sealer, cursor, context)
    const meta = objectAt(params, '_meta')
    const merged = await options.lists.read(kind, { requestId: call.requestId, meta, signal })
    const page = makePage(merged, { kind, profile, sealer, context, position })
    return { kind: 'answer', response: makeRawResult(call.request.id, page) }
  }
}

interface NamedCall {
  readonly kind: 'tools' | 'prompts'
  /** Where the name stands. */
  readonly path: readonly [string, ...string[]]
}

/** Passes a request on to the member that has the name in it, under the name that the member knows. */
async function callNamed(
  options: BundleMethodsOptions,
  call: ClientCall,
  { kind, path }: NamedCall,
): Promise<Outcome> {
  const name = textIn(call.request.bytes, path)
  if (name === undefined) throw invalid('name is missing')
  const { routes, table } = await options.lists.routesOf(kind, name, call.requestId)
  const [route] = routes
  const member = route === undefined ? undefined : options.relays.find(route.key)
  if (route === undefined || member === undefined) {
    const { omitted } = table
    const what = kind === 'tools' ? 'tool' : 'prompt'
    throw new RpcError(
      rpcCodes.invalidParams,
      `Unknown ${what}: ${name}`,
      omitted.length > 0 ? { omitted } : undefined,
    )
  }
  const isSame = route.upstreamName === name
  const edits = isSame ? [] : [{ path, json: JSON.stringify(route.upstreamName) }]
  return forward(options, call, { member, edits })
}

async function complete(options: BundleMethodsOptions, call: ClientCall): Promise<Outcome> {
  const ref = objectAt(paramsOf(call.request), 'ref')
  const uri = textAt(ref, 'uri')
  if (ref['type'] === 'ref/prompt') {
    return callNamed(options, call, { kind: 'prompts', path: ['params', 'ref', 'name'] })
  }
  if (ref['type'] !== 'ref/resource' || uri === undefined) {
    throw invalid('ref names neither a prompt nor a resource')
  }
  const member = await options.resources.memberOfReference(uri, call.requestId)
  return forward(options, call, { member })
}

function forward(
  { profile }: BundleMethodsOptions,
  call: ClientCall,
  { member, edits = [] }: { member: Member; edits?: readonly MemberEdit[] },
): Outcome {
  const request = editMessage(call.request, edits)
  const isModern = profile.era === 'modern'
  return { kind: 'forward', member, request: isModern ? hideTasksInRequest(request) : request }
}

function answer({ request }: ClientCall, result: JsonObject): Outcome {
  return { kind: 'answer', response: makeResult(request.id, result) }
}

function uriOf({ request }: ClientCall): string {
  const uri = textIn(request.bytes, ['params', 'uri'])
  if (uri === undefined) throw invalid('uri is missing')
  return uri
}

function invalid(what: string): RpcError {
  return new RpcError(rpcCodes.invalidParams, `Invalid params: ${what}.`)
}
