import { effectivePort } from '../../../net/address-guard.ts'
import type { BaseUrl } from './provider.ts'

/** Takes an `http` or `https` URL apart into what a call needs. It was checked when it was stored. */
export function toBaseUrl(url: URL): BaseUrl {
  const isIpv6 = url.hostname.startsWith('[')
  return Object.freeze({
    origin: url.origin,
    basePath: url.pathname.replace(/\/+$/, ''),
    host: isIpv6 ? url.hostname.slice(1, -1) : url.hostname,
    port: effectivePort(url),
  })
}
