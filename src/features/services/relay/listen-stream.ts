import type { ListKind } from '../catalogue/catalogue.ts'
import type { ServiceRuntime, User } from '../instances/service-runtime.ts'
import type { CallSink, RunningCall } from '../upstream/connection.ts'
import { objectAt, type JsonObject } from '../wire/json.ts'
import { metaKeys } from '../wire/meta-keys.ts'
import {
  editMessage,
  makeNotification,
  paramsOf,
  type RpcNotification,
} from '../wire/rpc-message.ts'
import type { ClientCall } from './relay.ts'
import { changeMethods } from '../instances/list-changes.ts'
import { Subscriptions, urisMax } from './subscriptions.ts'

/** What a listen stream hears from. */
export interface ListenSource {
  readonly runtime: () => ServiceRuntime
  readonly onListsChanged: (listener: (kinds: ReadonlySet<ListKind>) => void) => () => void
}

/** Which member of the filter asks for which notification. */
const listFilters: Readonly<Record<string, string>> = {
  toolsListChanged: 'notifications/tools/list_changed',
  promptsListChanged: 'notifications/prompts/list_changed',
  resourcesListChanged: 'notifications/resources/list_changed',
}

/**
 * A `subscriptions/listen` stream of a modern client, whatever the era of the server: list changes as the catalogue
 * learns of them, updates of resources as the server tells them. It lasts until it is cancelled.
 */
export function startListening(
  { runtime, onListsChanged }: ListenSource,
  { call, sink, user }: { readonly call: ClientCall; readonly sink: CallSink; readonly user: User },
  onOver: () => void,
): RunningCall {
  const { id } = call.request
  const asked = objectAt(paramsOf(call.request), 'notifications')
  const wanted = new Set(
    Object.entries(listFilters).flatMap(([name, method]) => (asked[name] === true ? [method] : [])),
  )
  const send = (notification: RpcNotification) => {
    const edit = { path: ['params', '_meta', metaKeys.subscriptionId], json: id } as const
    sink.onNotification(editMessage(notification, [edit]))
  }
  const subscriptions = new Subscriptions({
    lease: () => runtime().lease(user, false),
    onUpdated: send,
  })
  const leaveLists = onListsChanged((kinds) => {
    for (const method of changeMethods(kinds))
      if (wanted.has(method)) send(makeNotification(method, {}))
  })
  if (wanted.size > 0) subscriptions.keep()
  const uris = textsOf(asked['resourceSubscriptions']).slice(0, urisMax)
  // A server that is down does not delay the answer; once it can be reached, it is subscribed to.
  for (const uri of uris) void subscriptions.add(uri).catch(() => undefined)
  const acknowledged = makeNotification('notifications/subscriptions/acknowledged', {
    notifications: honoured(asked, uris),
  })
  // The caller has to know of the call before it hears of it.
  queueMicrotask(() => send(acknowledged))
  return {
    cancel() {
      leaveLists()
      subscriptions.close()
      onOver()
    },
  }
}

function honoured(asked: JsonObject, uris: readonly string[]): JsonObject {
  const lists = Object.keys(listFilters).filter((name) => asked[name] === true)
  return {
    ...Object.fromEntries(lists.map((name) => [name, true])),
    ...(uris.length === 0 ? {} : { resourceSubscriptions: uris }),
  }
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((text) => typeof text === 'string') : []
}
