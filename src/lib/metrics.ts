import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from '@prometheus-io/client'

/** What a metric is called and what it means. Names follow the Prometheus conventions (base units, `_total`). */
interface MetricDefinition {
  readonly name: string
  readonly help: string
  readonly labels?: readonly string[]
}

/** All metrics of one process, in the Prometheus text format. */
export interface MetricsRegistry {
  /** Returns the function that adds one for the given label values, in the order of `labels`. */
  counter(definition: MetricDefinition): (...labels: string[]) => void
  /** Returns the function that records one observation for the given label values. */
  histogram(
    definition: MetricDefinition & { readonly buckets: readonly number[] },
  ): (value: number, ...labels: string[]) => void
  /** Reads the value when asked, so that the owner of the number stays its only keeper. */
  gauge(definition: MetricDefinition, read: () => number): void
  render(): Promise<{ contentType: string; text: string }>
}

/** An empty registry, with the process's own figures (CPU, memory, event-loop lag) in it. */
export function createMetricsRegistry(): MetricsRegistry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  return {
    counter({ name, help, labels = [] }) {
      const counter = new Counter({ name, help, labelNames: [...labels], registers: [registry] })
      const child = remembered((values) => counter.labels(...values))
      return (...values) => child(values).inc()
    },
    histogram({ name, help, labels = [], buckets }) {
      const histogram = new Histogram({
        name,
        help,
        labelNames: [...labels],
        buckets: [...buckets],
        registers: [registry],
      })
      const child = remembered((values) => histogram.labels(...values))
      return (value, ...values) => child(values).observe(value)
    },
    gauge({ name, help }, read) {
      registry.registerMetric(
        new Gauge({
          name,
          help,
          registers: [],
          collect() {
            this.set(read())
          },
        }),
      )
    },
    render: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  }
}

/** Looking a child up by its labels costs more than the increment itself, so each is looked up once. */
function remembered<Child>(find: (values: string[]) => Child): (values: string[]) => Child {
  const children = new Map<string, Child>()
  return (values) => {
    const key = values.length === 1 ? (values[0] as string) : values.join('\0')
    const known = children.get(key)
    if (known !== undefined) return known
    const child = find(values)
    children.set(key, child)
    return child
  }
}
