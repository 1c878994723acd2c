import { AppError } from '../../../lib/errors.ts'
import type { Lease } from '../instances/instance-group.ts'
import { metaKeys } from '../wire/meta-keys.ts'
import { editMessage, type RpcNotification } from '../wire/rpc-message.ts'

/** What subscriptions are made with. */
export interface SubscriptionsDependencies {
  /** Gives the instance to watch at. */
  readonly lease: () => Promise<Lease>
  readonly onUpdated: (notification: RpcNotification) => void
}

/** A server is told of each of them, a modern one of all whenever there is one more. */
export const urisMax = 1_000
/** After the server went away, it is tried again so often. */
const retryMs = 5000

/** The resources that one client watches at one service. As long as there are any, an instance is kept for them. */
export class Subscriptions {
  readonly #deps: SubscriptionsDependencies
  /** What ends the watch of each; undefined while the server is away. */
  readonly #leaves = new Map<string, (() => void) | undefined>()
  #lease: Lease | undefined
  /** Ends our hearing of the end of its instance. */
  #forget: (() => void) | undefined
  #opening: Promise<Lease> | undefined
  #retry: NodeJS.Timeout | undefined
  #isKept = false
  #isClosed = false

  constructor(deps: SubscriptionsDependencies) {
    this.#deps = deps
  }

  /** Rejects where the service cannot be reached; it is tried again all the same. */
  async add(uri: string): Promise<void> {
    if (this.#isClosed || this.#leaves.has(uri)) return
    if (this.#leaves.size >= urisMax) {
      throw new AppError('overloaded', `A client can watch ${urisMax} resources at a time.`)
    }
    this.#leaves.set(uri, undefined)
    const lease = await this.#open().catch((error: unknown) => {
      this.#restoreLater()
      throw error
    })
    this.#watch(lease, uri)
    this.#releaseUnused()
  }

  remove(uri: string): void {
    this.#leaves.get(uri)?.()
    this.#leaves.delete(uri)
    this.#releaseUnused()
  }

  /** Keeps an instance even without resources to watch, so that it can tell of changes of its lists. */
  keep(): void {
    this.#isKept = true
    void this.#restore()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#retry)
    for (const leave of this.#leaves.values()) leave?.()
    this.#leaves.clear()
    this.#release()
  }

  #open(): Promise<Lease> {
    if (this.#lease !== undefined) return Promise.resolve(this.#lease)
    this.#opening ??= this.#deps
      .lease()
      .then((lease) => this.#hold(lease))
      .finally(() => (this.#opening = undefined))
    return this.#opening
  }

  #hold(lease: Lease): Lease {
    // What it was opened for may be over by now.
    if (this.#isClosed || (this.#leaves.size === 0 && !this.#isKept)) {
      lease.release()
      return lease
    }
    this.#lease = lease
    this.#forget = lease.instance.onClosed(() => {
      this.#release()
      for (const uri of this.#leaves.keys()) this.#leaves.set(uri, undefined)
      void this.#restore()
    })
    return lease
  }

  /** The server forgot the subscriptions with its connection. */
  async #restore(): Promise<void> {
    if (this.#isClosed || (this.#leaves.size === 0 && !this.#isKept)) return
    const lease = await this.#open().catch(() => undefined)
    if (lease === undefined) return this.#restoreLater()
    for (const uri of this.#leaves.keys()) this.#watch(lease, uri)
  }

  #restoreLater(): void {
    clearTimeout(this.#retry)
    if (!this.#isClosed) this.#retry = setTimeout(() => void this.#restore(), retryMs).unref()
  }

  #watch({ instance }: Lease, uri: string): void {
    if (!this.#leaves.has(uri) || this.#leaves.get(uri) !== undefined) return
    const leave = instance.resources.watch(uri, (notification) =>
      this.#deps.onUpdated(withoutSubscription(notification)),
    )
    this.#leaves.set(uri, leave)
  }

  #releaseUnused(): void {
    if (this.#leaves.size === 0 && !this.#isKept) this.#release()
  }

  #release(): void {
    this.#forget?.()
    this.#forget = undefined
    this.#lease?.release()
    this.#lease = undefined
  }
}

/** The stream on which it came to us is none of the client's. */
function withoutSubscription(notification: RpcNotification): RpcNotification {
  if (!notification.bytes.includes(metaKeys.subscriptionId)) return notification
  return editMessage(notification, [
    { path: ['params', '_meta', metaKeys.subscriptionId], json: undefined },
  ])
}
