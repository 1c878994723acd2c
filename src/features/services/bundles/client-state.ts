import type { Relay } from '../relay/relay.ts'
import type { CallSink } from '../upstream/connection.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import { makeError, makeRequest, type RpcNotification } from '../wire/rpc-message.ts'
import { nextId } from './ask.ts'
import type { OpenMember } from './member-relays.ts'

/** What a legacy client has said once, and members that are opened later, or anew, have to hear as well. */
export interface ClientState {
  /** Keeps what a notification says, if it is of that kind. */
  note(notification: RpcNotification): void
  /** The client wants log messages of this level; tells those that are open. */
  setLogLevel(level: string, opened: readonly OpenMember[]): void
  /** The client has subscribed to a resource of the member with this key. */
  subscribe(uri: string, key: string): void
  unsubscribe(uri: string): void
  /** Whether the client may subscribe to one more resource. */
  readonly hasRoom: boolean
  /** Key of the member to whose resource the client has subscribed. */
  ownerOf(uri: string): string | undefined
  /** Says whether the client waits for news of a resource of this member. */
  holds(key: string): boolean
  /** Tells a member everything. */
  tell(open: OpenMember): void
}

const ownersMax = 1_000

/** Creates the state of a client that has said nothing. */
export function createClientState(): ClientState {
  let initialized: RpcNotification | undefined
  let logLevel: string | undefined
  const owners = new Map<string, string>()
  return {
    note(notification) {
      if (notification.method === 'notifications/initialized') initialized = notification
    },
    setLogLevel(level, opened) {
      logLevel = level
      for (const { relay } of opened) say(relay, 'logging/setLevel', { level })
    },
    subscribe: (uri, key) => void owners.set(uri, key),
    get hasRoom() {
      return owners.size < ownersMax
    },
    unsubscribe: (uri) => void owners.delete(uri),
    ownerOf: (uri) => owners.get(uri),
    holds: (key) => [...owners.values()].includes(key),
    tell({ key, relay }) {
      if (initialized !== undefined) relay.notify(initialized)
      if (logLevel !== undefined) say(relay, 'logging/setLevel', { level: logLevel })
      for (const [uri, owner] of owners) {
        if (owner === key) say(relay, 'resources/subscribe', { uri })
      }
    },
  }
}

/** Whether a member can do it, and does, is its own affair: the client has been answered already. */
function say(relay: Relay, method: string, params: Readonly<Record<string, string>>): void {
  const id = nextId()
  relay.request({ request: makeRequest(id, method, params), requestId: id }, deaf)
}

const deaf: CallSink = {
  onNotification() {},
  onRequest({ id }, respond) {
    respond(makeError(id, new RpcError(rpcCodes.methodNotFound, 'Nobody can be asked now.')))
  },
  onResponse() {},
  onFailure() {},
}
