import type { OutboundRequest } from '../../../net/outbound.ts'
import type { Resolution, Target } from '../catalogue/resolve.ts'
import type { Surface } from '../surfaces.ts'

/** One request, understood: what goes to whom, and what it may cost. Made once; its attempts read it. */
export interface RequestPlan {
  readonly surface: Surface
  readonly method: string
  /** Path below the provider's base, without a leading slash. */
  readonly rest: string
  /** `''` or `?…`, to be sent on. */
  readonly search: string
  /** Flat list name, value, …; neither credentials nor hop-by-hop headers. */
  readonly headers: readonly string[]
  /** The model as the client named it; null where the route has none. */
  readonly asked: string | null
  readonly resolution: Resolution
  /** The client asked for a stream. */
  readonly isStream: boolean
  /** The client asked for usage in the stream itself. */
  readonly includesUsage: boolean
  readonly estimate: { readonly input: number; readonly output: number }
  /** The body can be sent again, so another target may be tried. */
  readonly isReplayable: boolean
  /** The request as it came, where it was held in memory. */
  readonly original: Buffer | undefined
  bodyFor(target: Target, injectUsage: boolean): OutboundRequest['body']
  /** The request as a provider of the other API family takes it. Throws `unsupported_translation`, `invalid_request`. */
  translated(target: Target): TranslatedRequest
}

/** A request written for another API family. */
export interface TranslatedRequest {
  readonly rest: string
  readonly search: string
  readonly headers: readonly string[]
  readonly body: Uint8Array
}
