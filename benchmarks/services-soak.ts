import { setTimeout as pause } from 'node:timers/promises'
import { callManagement } from './gateway.ts'
import { openSession } from './mcp-client.ts'
import { assertMeasurable, listDescendants, readRssMegabytes } from './measured-process.ts'
import { toolOf } from './mcp-traffic.ts'
import type { McpEndpoint } from './mcp-traffic.ts'
import { startPortico } from './programs.ts'
import { createKey, stdioUpstream } from './service-gateway.ts'
import { openStream } from './session-memory.ts'
import { formatFigure, isMet, spreadOf } from './statistics.ts'
import type { Figure } from './statistics.ts'

/** A server whose clients vanish, and where they do. */
interface Soak {
  readonly pid: number
  readonly endpoints: readonly McpEndpoint[]
  /** Of each endpoint. */
  readonly cycles: number
  /** How many children are left when nobody is there. */
  readonly childrenIdle: number
}

const clientsMax = 4
const settleMs = 5_000
const patienceMs = 90_000

/** A Portico whose sessions and children end soon after their client has gone. */
const impatient = { services: { sessionIdleMs: 2_000 } }

/**
 * Lets 500 clients connect to a service with a program for each, and as many to one with a program for all, and vanish
 * without a word. Prints what is left, and returns whether that is what was there before.
 */
export async function benchmarkServicesSoak({ quick }: { quick: boolean }): Promise<boolean> {
  assertMeasurable()
  await using portico = await startPortico({ settings: impatient })
  const own = { isolation: 'per-session', idleStopMs: 1_000 }
  const shared = { isolation: 'shared', start: 'always', idleStopMs: null }
  for (const [name, fields] of Object.entries({ own, shared })) {
    await callManagement(portico, 'services', { name, upstream: stdioUpstream, ...fields })
  }
  const at = { port: portico.port, era: 'legacy', key: await createKey(portico) } as const
  const endpoints = ['/mcp/own', '/mcp/shared'].map((path) => ({ ...at, path }))
  const cycles = quick ? 50 : 500
  const figures = await soak({ pid: portico.pid, endpoints, cycles, childrenIdle: 1 })
  for (const figure of figures) console.log(formatFigure(figure))
  return figures.every(isMet)
}

/** Runs a tenth of the cycles to warm up, then the rest, and compares what is left after each. */
async function soak(plan: Soak): Promise<Figure[]> {
  const { cycles, pid, childrenIdle } = plan
  await runCycles(plan, cycles / 10)
  await untilSettled(plan)
  const before = await readRssMegabytes(pid)
  const childrenMost = await runCycles(plan, cycles)
  const children = await untilSettled(plan)
  const after = await readRssMegabytes(pid)
  return [
    {
      name: `children left by ${cycles} clients that vanished`,
      unit: '',
      limit: childrenIdle,
      spread: spreadOf([children]),
      detail: `${childrenMost} at most meanwhile`,
    },
    {
      name: 'RSS growth meanwhile',
      unit: '%',
      limit: 10,
      spread: spreadOf([(after / before - 1) * 100]),
      detail: `${before.toFixed(0)} MB, then ${after.toFixed(0)} MB`,
    },
  ]
}

/** Returns the largest number of children that was seen. */
async function runCycles({ pid, endpoints }: Soak, cycles: number): Promise<number> {
  let begun = 0
  let childrenMost = 0
  const vanishMany = async () => {
    while (begun < cycles) {
      const vanish = waysToVanish[begun % waysToVanish.length] as Vanish
      begun += 1
      await Promise.all(endpoints.map((endpoint) => vanish(endpoint)))
      childrenMost = Math.max(childrenMost, (await listDescendants(pid)).length)
    }
  }
  await Promise.all(Array.from({ length: clientsMax }, vanishMany))
  return childrenMost
}

/** Waits until no more children are there than should be, and for the collector; returns how many are there at last. */
async function untilSettled({ pid, childrenIdle }: Soak): Promise<number> {
  const deadline = performance.now() + patienceMs
  while ((await listDescendants(pid)).length > childrenIdle && performance.now() < deadline) {
    await pause(200)
  }
  await pause(settleMs)
  return (await listDescendants(pid)).length
}

/** Becomes a client, and then is no longer there. None says goodbye. */
type Vanish = (endpoint: McpEndpoint) => Promise<void>

const call = { name: toolOf('/mcp'), arguments: {} }

const waysToVanish: readonly Vanish[] = [
  async function afterHello(endpoint) {
    await openSession(endpoint)
  },
  async function afterCall(endpoint) {
    const session = await openSession(endpoint)
    await session.ask('tools/call', call)
  },
  async function amidCall(endpoint) {
    const gone = new AbortController()
    const session = await openSession(endpoint, gone.signal)
    const asked = session.ask('tools/call', call).catch(() => undefined)
    gone.abort()
    await asked
  },
  async function withStream(endpoint) {
    const session = await openSession(endpoint)
    const stream = await openStream(endpoint, session.sessionId ?? '')
    await session.ask('tools/call', call)
    stream.destroy()
  },
]
