import { isJsonObject, objectAt, type JsonObject } from '../wire/json.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import { changeKinds, type ChangeKind } from './list-changes.ts'

/** What a `subscriptions/listen` asks for, or is granted. */
export interface SubscriptionFilter {
  readonly kinds: ReadonlySet<ChangeKind>
  readonly uris: ReadonlySet<string>
}

const urisMax = 1000

/** Reads the filter in the params of `subscriptions/listen`. Throws RpcError where it is none. */
export function readFilter(params: JsonObject): SubscriptionFilter {
  const notifications = params['notifications']
  if (!isJsonObject(notifications)) throw invalid('notifications is missing')
  const uris = notifications['resourceSubscriptions'] ?? []
  if (!isTextList(uris)) throw invalid('resourceSubscriptions must be a list of URIs')
  if (uris.length > urisMax) throw invalid(`at most ${urisMax} resourceSubscriptions are possible`)
  return { kinds: kindsIn(notifications), uris: new Set(uris) }
}

/** Reads what an acknowledgement grants; what cannot be read of it is not granted. */
export function readGranted(params: JsonObject): SubscriptionFilter {
  const notifications = objectAt(params, 'notifications')
  const uris = notifications['resourceSubscriptions']
  return { kinds: kindsIn(notifications), uris: new Set(isTextList(uris) ? uris : []) }
}

function kindsIn(notifications: JsonObject): ReadonlySet<ChangeKind> {
  return new Set(changeKinds.filter((kind) => notifications[flagOf(kind)] === true))
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

/** The `notifications` member that says the same. */
export function writeFilter({ kinds, uris }: SubscriptionFilter): JsonObject {
  const flags = Object.fromEntries([...kinds].map((kind) => [flagOf(kind), true]))
  return uris.size === 0 ? flags : { ...flags, resourceSubscriptions: [...uris] }
}

function flagOf(kind: ChangeKind): string {
  return `${kind}ListChanged`
}

function invalid(what: string): RpcError {
  return new RpcError(rpcCodes.invalidParams, `Invalid params: ${what}.`)
}
