import { createRequire } from 'node:module'
import type { errors as Errors, Pool as UndiciPool } from 'undici'

// The index of undici also loads fetch, WebSocket, caches and mocks, which nothing here uses: 3 MB and 20 ms of every start.
const load = createRequire(import.meta.url)

/** undici's pool of connections to one origin. */
export const Pool = load('undici/lib/dispatcher/pool.js') as typeof UndiciPool

/** undici's classes of errors. */
export const errors = load('undici/lib/core/errors.js') as typeof Errors
