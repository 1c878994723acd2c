import { randomInt } from 'node:crypto'
import type { Respond } from '../upstream/connection.ts'
import { withId, type IdText, type RpcRequest, type RpcResponse } from '../wire/rpc-message.ts'

const openMax = 256

/** What servers have asked one client and the client has not answered yet. */
export class Questions {
  /** Begins anywhere, so that an answer to somebody who had the connection before is not taken for one to us. */
  #nextId = randomInt(1, 2 ** 40)
  #open: Map<IdText, Respond> | undefined

  /** Gives a request an id of its own. Beyond a bound, the question that waits longest is forgotten. */
  ask(request: RpcRequest, respond: Respond): RpcRequest {
    const id = String(this.#nextId)
    this.#nextId += 1
    const open = (this.#open ??= new Map<IdText, Respond>())
    const [oldest] = open.keys()
    if (open.size >= openMax && oldest !== undefined) open.delete(oldest)
    open.set(id, respond)
    return withId(request, id)
  }

  /** Passes an answer of the client on; one that nobody waits for is dropped. */
  answer(response: RpcResponse): void {
    const { id } = response
    const respond = id === null ? undefined : this.#open?.get(id)
    if (id === null || respond === undefined) return
    this.#open?.delete(id)
    respond(response)
  }
}
