import type { Principal } from '../../../lib/principal.ts'

/**
 * The workspace a management request is about: the key's own, or for an admin the one that is asked for.
 * Throws `not_found` for everybody else's and for what does not exist.
 */
export type ChooseWorkspace = (principal: Principal, asked: string | undefined) => string
