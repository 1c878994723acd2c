import { hash } from 'node:crypto'
import type { Duplex } from 'node:stream'

/**
 * Which rules a response speaks under: `data` is what clients of the gateway get, relayed or made here;
 * `management` is JSON that no cache may keep.
 */
export type ResponsePlane = 'data' | 'management'

/** What a page of ours contains inline, and whether it is served over TLS. */
export interface PageOptions {
  /** Sources as from `inlineSource`, for inline `<script>` elements. */
  readonly scripts?: readonly string[]
  /** Sources as from `inlineSource`, for inline `<style>` elements. */
  readonly styles?: readonly string[]
  readonly tls: boolean
}

const everywhere = [
  'x-content-type-options',
  'nosniff',
  'referrer-policy',
  'no-referrer',
  'permissions-policy',
  'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  'cross-origin-opener-policy',
  'same-origin',
] as const

const overTls = ['strict-transport-security', 'max-age=31536000'] as const

/** An answer of an API is not a document. Should an upstream answer with one, it loads nothing and runs nothing on our origin. */
const inertContent = [
  'content-security-policy',
  "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
] as const

const data = [...everywhere, ...inertContent] as const
const management = [
  ...data,
  'cache-control',
  'no-store',
  'cross-origin-resource-policy',
  'same-origin',
] as const

const lists: Readonly<Record<ResponsePlane, { plain: readonly string[]; tls: readonly string[] }>> =
  {
    data: { plain: data, tls: [...data, ...overTls] },
    management: { plain: management, tls: [...management, ...overTls] },
  }

/** The security headers of a response that is not a page: a flat list name, value, … that is shared and must not be changed. */
export function securityHeaders(plane: ResponsePlane, tls: boolean): readonly string[] {
  return tls ? lists[plane].tls : lists[plane].plain
}

/** The security headers of an HTML page of ours: a flat list name, value, … Scripts and styles are our own files, or named by hash. */
export function pageSecurityHeaders(options: PageOptions): string[] {
  const policy = [
    "default-src 'none'",
    `script-src ${["'self'", ...(options.scripts ?? [])].join(' ')}`,
    `style-src ${["'self'", ...(options.styles ?? [])].join(' ')}`,
    "connect-src 'self'",
    "font-src 'self'",
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ')
  return [
    ...everywhere,
    'content-security-policy',
    policy,
    'cache-control',
    'no-store',
    'cross-origin-resource-policy',
    'same-origin',
    ...(options.tls ? overTls : []),
  ]
}

/** The Content-Security-Policy source that allows exactly this inline script or style. `text` is everything between the tags. */
export function inlineSource(text: string): string {
  return `'sha256-${hash('sha256', text, 'base64')}'`
}

/** Says whether the connection under a request is encrypted. */
export function isTls(socket: Duplex | null): boolean {
  return socket !== null && 'encrypted' in socket && socket.encrypted === true
}
