import { createMetricsRegistry } from '../lib/metrics.ts'
import type { MetricsRegistry } from '../lib/metrics.ts'
import type { Answer } from '../net/answer.ts'

const latencyBuckets = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300]
const statusClasses = ['0xx', '1xx', '2xx', '3xx', '4xx', '5xx'] as const

/** The figures that Portico publishes about itself. */
export interface ServerMetrics {
  /** A request has ended. `status` 0 means that it never got an answer. */
  requestEnded(plane: string, status: number, seconds: number): void
  /** A WebSocket connection is over: `error` is the code with which it was refused, or `none`. */
  upgradeEnded(error: string): void
  /** The front door refused a request, with this error code. */
  requestRefused(error: string): void
  /** A connection was cut: there were too many in all, too many of one client, or its reader was too slow. */
  connectionCut(reason: 'total' | 'client' | 'slow_reader'): void
  /** A provider failed: `kind` as in `OutboundFailure`, or its status. */
  upstreamFailed(provider: string, kind: string): void
  readonly registry: MetricsRegistry
  /** All figures in the Prometheus text format. */
  page(): Promise<Answer>
}

/** Creates the metrics; whoever owns a queue or a count registers its gauge on `registry`. */
export function createServerMetrics(): ServerMetrics {
  const registry = createMetricsRegistry()
  const requests = registry.counter({
    name: 'portico_requests_total',
    help: 'Requests ended, by plane and class of status.',
    labels: ['plane', 'status'],
  })
  const latency = registry.histogram({
    name: 'portico_request_duration_seconds',
    help: 'Time from the arrival of a request to the end of its response.',
    labels: ['plane'],
    buckets: latencyBuckets,
  })
  const upstreamErrors = registry.counter({
    name: 'portico_upstream_errors_total',
    help: 'Failed attempts, by provider and kind.',
    labels: ['provider', 'kind'],
  })
  const upgrades = registry.counter({
    name: 'portico_upgrades_total',
    help: 'WebSocket connections ended, by the error with which they were refused, or none.',
    labels: ['error'],
  })
  const refusals = registry.counter({
    name: 'portico_requests_refused_total',
    help: 'Requests that got no further than the front door, by error.',
    labels: ['error'],
  })
  const cuts = registry.counter({
    name: 'portico_connections_cut_total',
    help: 'Connections cut, by reason.',
    labels: ['reason'],
  })
  return {
    registry,
    upgradeEnded: upgrades,
    requestRefused: refusals,
    connectionCut: cuts,
    async page() {
      const { contentType, text } = await registry.render()
      return { status: 200, type: contentType, body: text }
    },
    requestEnded(plane, status, seconds) {
      requests(plane, statusClasses[Math.trunc(status / 100)] ?? '0xx')
      latency(seconds, plane)
    },
    upstreamFailed: upstreamErrors,
  }
}
