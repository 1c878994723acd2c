import { AppError } from '../../../lib/errors.ts'
import { hasScope } from '../../../lib/principal.ts'
import type { Requester } from '../../../net/requester.ts'
import { canonicalJson } from '../catalogue/canonical-json.ts'
import { isSamePlace } from './service-draft.ts'
import type { ServiceDraft } from './service-rows.ts'

/**
 * Throws `insufficient_scope` where the change needs more than the scope `manage`: running a program that did not run so
 * before needs `services:run-command`, reaching private addresses needs `admin`. The one rule for every way in which a
 * service comes about or is changed. Saying again what is so already is nobody's to refuse.
 */
export function requireRights(
  { principal }: Requester,
  before: ServiceDraft | undefined,
  after: ServiceDraft,
): void {
  const { upstream } = after.settings
  const runs = upstream.kind === 'process' && !isSameUpstream(before, after)
  if (runs && !hasScope(principal, 'services:run-command')) {
    throw new AppError(
      'insufficient_scope',
      'Saying what is run, and how, needs the scope services:run-command.',
    )
  }
  if (givesPrivateLeave(before, after) && !hasScope(principal, 'admin')) {
    throw new AppError('insufficient_scope', 'Setting allowPrivate needs the scope admin.')
  }
}

function givesPrivateLeave(before: ServiceDraft | undefined, after: ServiceDraft): boolean {
  const { upstream } = after.settings
  if (upstream.kind !== 'remote' || !upstream.allowPrivate) return false
  const earlier = before?.settings.upstream
  const isGiven =
    earlier?.kind === 'remote' && earlier.allowPrivate && isSamePlace(earlier, upstream)
  return !isGiven
}

function isSameUpstream(before: ServiceDraft | undefined, after: ServiceDraft): boolean {
  return before !== undefined && describe(before) === describe(after)
}

function describe({ settings, secrets }: ServiceDraft): string {
  const parts = [settings.upstream, Object.fromEntries(secrets.byName)]
  return canonicalJson(JSON.stringify(parts))
}
