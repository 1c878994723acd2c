import { runRounds } from './comparison.ts'
import type { Contest, Contestant, Round, Turn } from './comparison.ts'
import { openSession } from './mcp-client.ts'
import type { McpJob } from './mcp-load.ts'
import { readRssMegabytes } from './measured-process.ts'
import type { MeasuredServer } from './measured-process.ts'
import type { McpEndpoint } from './mcp-traffic.ts'
import type { LoadProcess } from './programs.ts'
import { spreadOf } from './statistics.ts'
import type { Figure } from './statistics.ts'

/** A way to the mock that is measured: its name, and what each way there is like. */
export interface Row {
  readonly name: string
  /** By name. `Portico` is held against `direct`, where that is there, and against all others. */
  readonly ways: Readonly<Record<string, Way>>
  readonly callsPerSecondMin?: number
  readonly addedP50MsMax?: number
}

/** One way: a server, where it speaks MCP, and the tool that is called there. */
export interface Way {
  readonly server: MeasuredServer
  readonly endpoint: McpEndpoint
  readonly tool: string
}

/** How much is measured, and with what. */
export interface RowPlan {
  readonly load: LoadProcess<McpJob>
  readonly rounds: number
  /** Length of one server's part of a round, ms. */
  readonly roundMs: number
}

/** What latencies are compared at: what every peer still bears. */
const moderate = { connections: 8, ratePerSecond: 200 }

/** What throughput and CPU time are compared at. */
const saturated = { connections: 32 }

type Address = Omit<McpEndpoint, 'port'> & Pick<McpJob, 'tool' | 'sessionId'>
type Traffic = Omit<McpJob, keyof Address | 'port'>

/** Sends calls along all ways of the row in turn, round after round, at full speed and at a moderate rate. */
export async function measureRow(row: Row, plan: RowPlan): Promise<Figure[]> {
  const contest: Contest<string, Address, Traffic> = {
    contestants: await enter(row),
    load: plan.load,
    rounds: plan.rounds,
  }
  const timed = { durationMs: plan.roundMs, requestsMax: Number.MAX_SAFE_INTEGER, rampMs: 0 }
  const fast = await runRounds(contest, { ...timed, ...saturated })
  const calm = await runRounds(contest, { ...timed, ...moderate })
  const told: Figure[] = []
  for (const [name, { server }] of Object.entries(row.ways)) {
    const rssMegabytes = await readRssMegabytes(server.pid)
    told.push(describe(`${row.name}: ${name}`, { name, fast, calm, rssMegabytes }))
  }
  return row.ways['Portico'] ? [...told, ...judge(row, fast, calm)] : told
}

/** All connections of a way share a session, since one of the peers starts a child for each. */
async function enter(row: Row): Promise<Record<string, Contestant<Address>>> {
  const entered: Record<string, Contestant<Address>> = {}
  for (const [name, { server, endpoint, tool }] of Object.entries(row.ways)) {
    const { sessionId } = await openSession(endpoint)
    const { path, era, key } = endpoint
    const address = { path, era, tool, ...(key && { key }), ...(sessionId && { sessionId }) }
    entered[name] = { server, address }
  }
  return entered
}

type Rounds = readonly Round<string>[]

function judge({ name, ways, ...row }: Row, fast: Rounds, calm: Rounds): Figure[] {
  const figures: Figure[] = []
  if (row.callsPerSecondMin !== undefined) {
    const spread = spreadOf(pick(fast, 'Portico').map(callsPerSecond))
    figures.push({ name: `${name}: calls`, unit: '/s', least: row.callsPerSecondMin, spread })
  }
  if (ways['direct']) {
    figures.push({
      name: `${name}: added p50 at ${moderate.ratePerSecond}/s`,
      unit: 'ms',
      ...(row.addedP50MsMax !== undefined && { limit: row.addedP50MsMax }),
      spread: compare(calm, 'direct', (own, direct) => own.latencyP50Ms - direct.latencyP50Ms),
    })
  }
  const peers = Object.keys(ways).filter((way) => way !== 'Portico' && way !== 'direct')
  for (const peer of peers) {
    figures.push({
      name: `${name}: CPU against ${peer}`,
      unit: '×',
      limit: 1,
      spread: compare(fast, peer, (own, its) => own.cpuPerRequestMicros / its.cpuPerRequestMicros),
    })
    figures.push({
      name: `${name}: calls against ${peer}`,
      unit: '×',
      least: 1,
      spread: compare(fast, peer, (own, its) => callsPerSecond(own) / callsPerSecond(its)),
    })
  }
  return figures
}

function compare(rounds: Rounds, other: string, of: (own: Turn, other: Turn) => number) {
  const others = pick(rounds, other)
  return spreadOf(pick(rounds, 'Portico').map((own, index) => of(own, others[index] as Turn)))
}

function pick(rounds: Rounds, name: string): Turn[] {
  return rounds.map((round) => round[name] as Turn)
}

function callsPerSecond({ requests, elapsedMs }: Turn): number {
  return (requests * 1000) / elapsedMs
}

interface Seen {
  readonly name: string
  readonly fast: Rounds
  readonly calm: Rounds
  readonly rssMegabytes: number
}

function describe(title: string, { name, fast, calm, rssMegabytes }: Seen): Figure {
  const middle = (rounds: Rounds, of: keyof Turn) =>
    spreadOf(pick(rounds, name).map((turn) => turn[of])).median
  const cpu = middle(fast, 'cpuPerRequestMicros').toFixed(0)
  const upstreamCpu = middle(fast, 'upstreamCpuPerRequestMicros').toFixed(0)
  const latency = (rounds: Rounds) =>
    `${middle(rounds, 'latencyP50Ms').toFixed(2)}/${middle(rounds, 'latencyP99Ms').toFixed(2)} ms`
  return {
    name: title,
    unit: 'calls/s',
    spread: spreadOf(pick(fast, name).map(callsPerSecond)),
    detail:
      `CPU ${cpu} µs, its upstream ${upstreamCpu} µs; p50/p99 ${latency(fast)} at ${saturated.connections} ` +
      `connections, ${latency(calm)} at ${moderate.ratePerSecond}/s; RSS ${rssMegabytes.toFixed(0)} MB`,
  }
}
