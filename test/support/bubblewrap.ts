import { ensureProgram } from '../../scripts/services.ts'

/** Whether sandboxes can be tested. */
export const hasBubblewrap = ensureProgram('bwrap') !== undefined

if (!hasBubblewrap) console.warn('bubblewrap is not installed: what needs it is LEFT OUT.')
