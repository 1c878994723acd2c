import type { Log } from '../lib/log.ts'
import { refuse, toAppError } from '../net/error-response.ts'
import type { Exchange } from '../net/exchange.ts'
import type { Management } from './management.ts'

/** The management API, whether it is loaded yet or not. */
export interface DeferredManagement extends AsyncDisposable {
  handle(exchange: Exchange): void
  /** The OpenAPI 3.1 document of all routes. */
  openApi(): Promise<object>
}

/**
 * Has the first request load the management API: framework, schemas and routes are 15 MB that a gateway without
 * management never needs. Whoever asks meanwhile waits for the same load; after a failed one the next request tries again.
 */
export function deferManagement(load: () => Promise<Management>, log: Log): DeferredManagement {
  let loading: Promise<Management> | undefined

  function loaded(): Promise<Management> {
    loading ??= load().catch((error: unknown) => {
      loading = undefined
      throw error
    })
    return loading
  }

  return {
    handle(exchange) {
      loaded()
        .then((management) => management.handle(exchange))
        .catch((error: unknown) => {
          log.error({ err: error, id: exchange.id }, 'the management API cannot be loaded')
          refuse(exchange, toAppError(error))
        })
    },
    openApi: async () => (await loaded()).openApi(),
    [Symbol.asyncDispose]: async () => (await loading)?.[Symbol.asyncDispose](),
  }
}
