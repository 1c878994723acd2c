import { forwardResponseHeaders } from '../../../net/headers.ts'
import { securityHeaders } from '../../../net/security-headers.ts'
import type { ApiFamily } from '../surfaces.ts'

const secure = securityHeaders('data', false)

/** What is said to the client beside the upstream's own headers. */
export interface ClientHeaderOptions {
  readonly requestId: string
  /** The name that the provider was sent. */
  readonly resolvedModel: string | null
  readonly isEventStream: boolean
  readonly family: ApiFamily
  /** The body is not the upstream's own any more: its length and type are replaced by this type. */
  readonly replacedType: string | undefined
}

/** Says whether the headers (flat list) announce an event stream. */
export function isEventStream(headers: readonly string[]): boolean {
  return headerOf(headers, 'content-type')?.toLowerCase().startsWith('text/event-stream') ?? false
}

/** The value of the first header of that lower-case name in a flat list. */
export function headerOf(headers: readonly string[], name: string): string | undefined {
  for (let at = 0; at < headers.length; at += 2) {
    const candidate = headers[at] as string
    if (candidate.length === name.length && candidate.toLowerCase() === name) return headers[at + 1]
  }
  return undefined
}

/** The headers of an answer as the client gets them, as a flat list. */
export function toClientHeaders(
  headers: readonly string[],
  options: ClientHeaderOptions,
): string[] {
  const passed = forwardResponseHeaders(headers)
  const isReframed = options.isEventStream || options.replacedType !== undefined
  const out = isReframed ? withoutFraming(passed, options) : passed
  out.push('x-gateway-request-id', options.requestId, ...secure)
  if (options.resolvedModel !== null) {
    // A lone surrogate, which JSON can hold, would be an error to `encodeURI`.
    out.push('x-gateway-resolved-model', encodeURI(options.resolvedModel.toWellFormed()))
  }
  const idName = options.family === 'anthropic' ? 'request-id' : 'x-request-id'
  if (headerOf(passed, idName) === undefined) out.push(idName, options.requestId)
  if (options.isEventStream) {
    out.push('cache-control', 'no-cache, no-transform', 'x-accel-buffering', 'no')
  }
  if (options.replacedType !== undefined) out.push('content-type', options.replacedType)
  return out
}

/** A stream has no length of its own, and its caching is ours to say; a replaced body has another type. */
function withoutFraming(headers: readonly string[], options: ClientHeaderOptions): string[] {
  const dropped = new Set(['content-length'])
  if (options.isEventStream) dropped.add('cache-control').add('x-accel-buffering')
  if (options.replacedType !== undefined) dropped.add('content-type').add('content-encoding')
  const kept: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] as string
    if (!dropped.has(name.toLowerCase())) kept.push(name, headers[at + 1] as string)
  }
  return kept
}
