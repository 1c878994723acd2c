import type { z } from 'zod'
import { parseOutboundUrl } from '../../../net/address-guard.ts'
import type {
  NewService,
  ServiceChange,
  ServiceReplacement,
  ServiceSettings,
} from '../../../protocol/api/services.ts'
import { normalizePath, refuseReservedName } from './service-names.ts'
import { completeSettings } from './service-rows.ts'
import type { Origin, ServiceDraft } from './service-rows.ts'
import { noSecrets, takeSecrets } from './service-values.ts'
import type { ServiceSecrets, Upstream } from './service-values.ts'

/** A draft of a new service. Throws `reserved_name`, `invalid_request`, `destination_not_allowed`. */
export function draftService(body: z.output<typeof NewService>): ServiceDraft {
  const { workspaceId: _workspace, ...settings } = body
  return finishDraft(completeSettings(settings), { secrets: noSecrets, origin: null })
}

/** Replaces everything that is said of a service. Throws as `draftService`. */
export function replaceDraft(
  before: ServiceDraft,
  body: z.output<typeof ServiceReplacement>,
): ServiceDraft {
  return finishDraft(completeSettings(body), keptParts(before, body.upstream))
}

/** Applies a change; what it does not mention stays. Throws as `draftService`. */
export function changeDraft(
  before: ServiceDraft,
  change: z.output<typeof ServiceChange>,
): ServiceDraft {
  const given = Object.entries(change).filter(([, value]) => value !== undefined)
  const settings: ServiceSettings = { ...before.settings, ...Object.fromEntries(given) }
  return finishDraft(settings, keptParts(before, settings.upstream))
}

/** Checks what was put together and takes the secrets out of it. */
export function finishDraft(
  settings: ServiceSettings,
  kept: { readonly secrets: ServiceSecrets; readonly origin: Origin | null },
): ServiceDraft {
  refuseReservedName(settings.name)
  const { upstream, secrets } = takeSecrets(checkUpstream(settings.upstream), kept.secrets)
  return {
    settings: {
      ...settings,
      upstream,
      path: settings.path === null ? null : normalizePath(settings.path),
    },
    secrets,
    origin: kept.origin,
  }
}

/** Says whether both are one and the same server, to which the same secrets may be sent. */
export function isSamePlace(one: Upstream, other: Upstream): boolean {
  if (one.kind === 'remote' && other.kind === 'remote') {
    return URL.parse(one.url)?.origin === URL.parse(other.url)?.origin
  }
  return one.kind === other.kind
}

/** A stored secret is bound to the host that it was given for. */
function keptParts(before: ServiceDraft, upstream: Upstream) {
  const isKept = isSamePlace(before.settings.upstream, upstream)
  return { secrets: isKept ? before.secrets : noSecrets, origin: before.origin }
}

function checkUpstream(upstream: Upstream): Upstream {
  if (upstream.kind !== 'remote') return upstream
  const schemes = ['https', 'http', 'wss', 'ws']
  const { allowPrivate } = upstream
  const url = parseOutboundUrl(upstream.url, { schemes, anyPort: true, allowPrivate })
  return { ...upstream, url: url.href }
}
