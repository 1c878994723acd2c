import type { Clock } from '../../../lib/clock.ts'
import type { OutboundFailure, Upstream } from '../../../net/outbound.ts'
import type { ProbeAnswer, ProbeProvider } from './provider-check.ts'
import { surfaceOf } from '../surfaces.ts'
import { providerHeaders, upstreamPath } from '../routing/upstream-address.ts'
import type { Upstreams } from '../routing/upstreams.ts'

const deadlineMs = 10_000
const bodyBytesMax = 4 * 1024 * 1024

const failureTexts: Readonly<Record<OutboundFailure['kind'], string>> = {
  refused: 'The provider could not be reached.',
  timeout: 'The provider did not answer in time.',
  broken: 'The provider broke the connection.',
  request: 'The request could not be sent.',
  blocked: 'The address of the provider is private. Set allowPrivate if that is meant.',
}

/** Creates the function that asks a provider something on our own account, outside of any client's call. */
export function createProviderProbe(deps: { upstreams: Upstreams; clock: Clock }): ProbeProvider {
  const { upstreams, clock } = deps
  return (provider, rest) => {
    const surface = surfaceOf('GET', provider.kind === 'anthropic' ? 'messages' : rest)
    const credential = provider.credentials[0]
    const headers =
      credential === undefined
        ? []
        : providerHeaders(provider, credential, { surface, headers: [] })
    const path = upstreamPath(provider, { rest, search: '', model: null })
    return ask(upstreams.of(provider), { path, headers }, clock)
  }
}

function ask(
  upstream: Upstream,
  question: { readonly path: string; readonly headers: readonly string[] },
  clock: Clock,
): Promise<ProbeAnswer> {
  const { promise, resolve } = Promise.withResolvers<ProbeAnswer>()
  const startedAt = clock.elapsed()
  const chunks: Buffer[] = []
  let status = 0
  let size = 0
  const took = () => clock.elapsed() - startedAt
  const fail = (error: string) => resolve({ status: null, error, ms: took() })
  const request = { method: 'GET', body: null, ...question }
  const exchange = upstream.send(request, {
    onStart(received) {
      status = received
    },
    onChunk(chunk) {
      size += chunk.length
      chunks.push(chunk)
      if (size > bodyBytesMax) {
        exchange.abort()
        fail('The answer is too long.')
      }
      return true
    },
    onEnd: () => resolve({ status, body: Buffer.concat(chunks).toString(), ms: took() }),
    onFailure: ({ kind }) => fail(failureTexts[kind]),
  })
  const timer = setTimeout(() => {
    exchange.abort()
    fail(failureTexts.timeout)
  }, deadlineMs)
  return promise.finally(() => clearTimeout(timer))
}
