import type { AppError } from '../../../lib/errors.ts'
import type {
  CallOptions,
  CallSink,
  Connection,
  ConnectionListener,
  Respond,
  RunningCall,
} from '../upstream/connection.ts'
import { textAt } from '../wire/json.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import { makeError, paramsOf, type RpcNotification, type RpcRequest } from '../wire/rpc-message.ts'
import { listenForListChanges } from './list-changes-stream.ts'
import { createLogLevels, type LogLevels } from './log-levels.ts'
import { createResourceWatch, type ResourceWatch } from './resource-watch.ts'

/** What an instance is made with. */
export interface InstanceOptions {
  /** Of one client session, or of several clients, whose requests must be told apart. */
  readonly ownership: 'private' | 'shared'
  /** The server was told of a client that can be asked. */
  readonly canAsk: boolean
  /** Ends what is behind the connection, once that is closed. */
  readonly stop: () => Promise<void>
  /** Hears that a list of the server changed: the method of its notification. */
  readonly onListChanged: (method: string) => void
}

/**
 * One connection to a server while it is in use: who is calling on it, and who hears what belongs to no call.
 * Disposing of it closes the connection.
 */
export class Instance implements AsyncDisposable {
  readonly connection: Connection
  readonly resources: ResourceWatch
  readonly logLevels: LogLevels
  /**
   * Whether calls of clients that can be asked have to take turns, because the server does not say which call it asks
   * about.
   */
  readonly needsTurns: boolean
  readonly #options: InstanceOptions
  readonly #changes: RunningCall | undefined
  readonly #calls = new Set<CallSink>()
  readonly #listeners = new Set<ConnectionListener>()
  readonly #closeListeners = new Set<(error: AppError | undefined) => void>()
  #isClosed = false
  /** Takes what the server says that belongs to no call. */
  readonly listener: ConnectionListener

  constructor(connection: Connection, options: InstanceOptions) {
    this.connection = connection
    this.#options = options
    this.resources = createResourceWatch(connection)
    this.logLevels = createLogLevels(connection)
    this.needsTurns =
      connection.era === 'legacy' &&
      options.canAsk &&
      options.ownership === 'shared' &&
      !connection.attributesRequests
    this.#changes = listenForListChanges(connection, options.onListChanged)
    this.listener = {
      onNotification: (notification) => this.#onNotification(notification),
      onRequest: (request, respond) => this.#onRequest(request, respond),
    }
    void connection.closed.then((error) => {
      this.#isClosed = true
      for (const listener of this.#closeListeners) listener(error)
      this.#closeListeners.clear()
    })
  }

  /** Resolves when it is over, with the reason unless we ended it. */
  get closed(): Promise<AppError | undefined> {
    return this.connection.closed
  }

  /**
   * Hears once when it is over, as `closed` says. Returns the function that ends it: many come and go while an instance
   * lasts, and a promise would remember all of them.
   */
  onClosed(listener: (error: AppError | undefined) => void): () => void {
    // One object may be given twice, and each time ends by itself.
    const entry = (error: AppError | undefined): void => listener(error)
    const listeners = this.#closeListeners
    listeners.add(entry)
    if (this.#isClosed) {
      void this.closed.then((error) => {
        if (listeners.delete(entry)) entry(error)
      })
    }
    return () => listeners.delete(entry)
  }

  /** Calls under way. */
  get running(): number {
    return this.#calls.size
  }

  call(request: RpcRequest, sink: CallSink, options?: CallOptions): RunningCall {
    const tracked: CallSink = {
      onNotification: (notification) => sink.onNotification(notification),
      onRequest: (asked, respond) => sink.onRequest(asked, respond),
      onResponse: (response) => {
        this.#calls.delete(tracked)
        sink.onResponse(response)
      },
      onFailure: (error) => {
        this.#calls.delete(tracked)
        sink.onFailure(error)
      },
    }
    this.#calls.add(tracked)
    const running = this.connection.request(request, tracked, options)
    return {
      cancel: (reason) => {
        this.#calls.delete(tracked)
        running.cancel(reason)
      },
    }
  }

  /** Hears what belongs to no call. Returns the function that ends it. */
  attach(listener: ConnectionListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#changes?.cancel()
    this.resources.close()
    await this.connection[Symbol.asyncDispose]()
    await this.#options.stop()
  }

  #onNotification(notification: RpcNotification): void {
    const { method } = notification
    if (method.endsWith('/list_changed')) return this.#options.onListChanged(method)
    if (method === 'notifications/resources/updated') {
      const uri = textAt(paramsOf(notification), 'uri')
      return uri === undefined ? undefined : this.resources.deliver(uri, notification)
    }
    const concerned = this.#callConcerned()
    if (concerned !== undefined) return concerned.onNotification(notification)
    // Whose a message of a shared program is cannot be told, so nobody hears it rather than everybody.
    const mayBeOfOthers = this.#listeners.size > 1 || this.#calls.size > 0
    if (this.#options.ownership === 'shared' && mayBeOfOthers) return
    for (const listener of this.#listeners) listener.onNotification(notification)
  }

  #onRequest(request: RpcRequest, respond: Respond): void {
    const concerned = this.#callConcerned()
    if (concerned !== undefined) return concerned.onRequest(request, respond)
    const [owner] = this.#options.ownership === 'private' ? this.#listeners : []
    if (owner !== undefined) return owner.onRequest(request, respond)
    const message = 'No client can be asked: the request belongs to no call.'
    respond(makeError(request.id, new RpcError(rpcCodes.methodNotFound, message)))
  }

  /** The call that a message without a name on it belongs to, where that is certain. */
  #callConcerned(): CallSink | undefined {
    const isCertain = this.#calls.size === 1 || this.#options.ownership === 'private'
    return isCertain ? [...this.#calls].at(-1) : undefined
  }
}
