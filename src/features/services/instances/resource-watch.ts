import { latestModernVersion } from '../wire/protocol-versions.ts'
import type { CallSink, Connection, RunningCall } from '../upstream/connection.ts'
import { metaKeys } from '../wire/meta-keys.ts'
import { makeRequest, paramsOf, type RpcNotification } from '../wire/rpc-message.ts'
import { textAt } from '../wire/json.ts'

/** Hears of changes of one resource. */
type OnUpdated = (notification: RpcNotification) => void

/** Who watches which resources of a server. It is subscribed to each of them once, while anybody watches. */
export interface ResourceWatch {
  /** Begins to watch. Returns the function that ends it. */
  watch(uri: string, onUpdated: OnUpdated): () => void
  /** Takes an update that came outside any call. */
  deliver(uri: string, notification: RpcNotification): void
  /** Resources that are watched. */
  readonly size: number
  /** Ends everything, without a word to the server. */
  close(): void
}

/** Watches by `resources/subscribe` at a legacy server, and by one `subscriptions/listen` for all at a modern one. */
export function createResourceWatch(connection: Connection): ResourceWatch {
  const watchers = new Map<string, Set<OnUpdated>>()
  const source = connection.era === 'legacy' ? subscribing(connection) : listening(connection)

  function deliver(uri: string, notification: RpcNotification): void {
    for (const onUpdated of watchers.get(uri) ?? []) onUpdated(notification)
  }

  return {
    watch(uri, onUpdated) {
      const known = watchers.get(uri)
      const set = known ?? new Set()
      set.add(onUpdated)
      if (known === undefined) {
        watchers.set(uri, set)
        source.changed({ added: uri, uris: [...watchers.keys()], deliver })
      }
      return () => {
        if (!set.delete(onUpdated) || set.size > 0 || watchers.get(uri) !== set) return
        watchers.delete(uri)
        source.changed({ removed: uri, uris: [...watchers.keys()], deliver })
      }
    },
    deliver,
    get size() {
      return watchers.size
    },
    close() {
      watchers.clear()
      source.close()
    },
  }
}

interface WatchChange {
  readonly added?: string
  readonly removed?: string
  /** All that are watched after the change. */
  readonly uris: readonly string[]
  readonly deliver: ResourceWatch['deliver']
}

interface UpdateSource {
  changed(change: WatchChange): void
  close(): void
}

function subscribing(connection: Connection): UpdateSource {
  const send = (method: string, uri: string) => {
    connection.request(makeRequest('0', method, { uri }), ignoring)
  }
  return {
    changed({ added, removed }) {
      if (added !== undefined) send('resources/subscribe', added)
      if (removed !== undefined) send('resources/unsubscribe', removed)
    },
    close: () => undefined,
  }
}

function listening(connection: Connection): UpdateSource {
  let stream: RunningCall | undefined
  return {
    changed({ uris, deliver }) {
      const previous = stream
      stream = uris.length === 0 ? undefined : listenTo(connection, uris, deliver)
      // The new stream is asked for before the old one goes, so that no update falls between them.
      previous?.cancel()
    },
    close() {
      stream?.cancel()
      stream = undefined
    },
  }
}

function listenTo(
  connection: Connection,
  uris: readonly string[],
  deliver: ResourceWatch['deliver'],
): RunningCall {
  const params = {
    notifications: { resourceSubscriptions: uris },
    _meta: {
      [metaKeys.protocolVersion]: latestModernVersion,
      [metaKeys.clientCapabilities]: {},
    },
  }
  return connection.request(makeRequest('0', 'subscriptions/listen', params), {
    ...ignoring,
    onNotification(notification) {
      if (notification.method !== 'notifications/resources/updated') return
      const uri = textAt(paramsOf(notification), 'uri')
      if (uri !== undefined) deliver(uri, notification)
    },
  })
}

/** For requests whose answer changes nothing: a subscription that fails is one that never speaks. */
export const ignoring: CallSink = {
  onNotification: () => undefined,
  onRequest: () => undefined,
  onResponse: () => undefined,
  onFailure: () => undefined,
}
