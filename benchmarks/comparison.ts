import type { LoadJob, LoadReport } from './load.ts'
import { readCpuMicros } from './programs.ts'
import type { LoadProcess, MeasuredServer } from './programs.ts'
import { spreadOf } from './statistics.ts'
import type { Figure } from './statistics.ts'

/** The two servers that are compared in one run, what loads them, and how long. */
export interface Contest {
  readonly baseline: Contestant
  readonly gateway: Contestant
  readonly load: LoadProcess
  /** Rounds of one measurement; each gives both servers the same load, one right after the other. */
  readonly rounds: number
}

/** A server and the key that it wants. */
interface Contestant {
  readonly server: MeasuredServer
  readonly key: string
}

/** What one server is sent in its part of a round: a job without the server. */
export type Traffic = Omit<LoadJob, 'port' | 'key'>

/** What one server's part of a round has given. */
interface Turn extends LoadReport {
  /** User and system time of the whole process, µs. */
  readonly cpuPerRequestMicros: number
}

/** What both servers have given in one round. */
interface Round {
  readonly baseline: Turn
  readonly gateway: Turn
}

/** Compares CPU time per request; the figure is the gateway's as a multiple of the baseline's. */
export async function compareCpu(
  contest: Contest,
  measurement: { name: string; limit: number; traffic: Traffic },
): Promise<Figure> {
  const rounds = await runRounds(contest, measurement.traffic)
  const middle = (side: 'baseline' | 'gateway') =>
    spreadOf(rounds.map((round) => round[side].cpuPerRequestMicros)).median.toFixed(1)
  return {
    name: measurement.name,
    unit: '×',
    limit: measurement.limit,
    spread: spreadOf(
      rounds.map((round) => round.gateway.cpuPerRequestMicros / round.baseline.cpuPerRequestMicros),
    ),
    detail: `${middle('gateway')} µs against ${middle('baseline')} µs of CPU`,
  }
}

/** Compares a duration; the figure is what the gateway adds to the baseline. `scale` turns ms into the unit. */
export async function compareDuration(
  contest: Contest,
  measurement: {
    name: string
    limit: number
    traffic: Traffic
    of: 'latencyP50Ms' | 'firstChunkP50Ms'
    unit: string
    scale: number
  },
): Promise<Figure> {
  const { of, scale, unit } = measurement
  const rounds = await runRounds(contest, measurement.traffic)
  const middle = (side: 'baseline' | 'gateway') =>
    (spreadOf(rounds.map((round) => round[side][of])).median * scale).toFixed(2)
  return {
    name: measurement.name,
    unit,
    limit: measurement.limit,
    spread: spreadOf(rounds.map((round) => (round.gateway[of] - round.baseline[of]) * scale)),
    detail: `${middle('gateway')} ${unit} against ${middle('baseline')} ${unit}`,
  }
}

/** Gives both servers the same load, round after round. The first round, which only warms up, is not in the result. */
export async function runRounds(contest: Contest, traffic: Traffic): Promise<Round[]> {
  const { baseline, gateway, rounds } = contest
  await takeTurn(contest, baseline, traffic)
  await takeTurn(contest, gateway, traffic)
  const results: Round[] = []
  for (let round = 0; round < rounds; round += 1) {
    // Whoever goes first changes, so that a drift of the machine favours neither.
    const order = round % 2 === 0 ? [baseline, gateway] : [gateway, baseline]
    const turns = new Map<Contestant, Turn>()
    for (const contestant of order) {
      turns.set(contestant, await takeTurn(contest, contestant, traffic))
    }
    results.push({
      baseline: turns.get(baseline) as Turn,
      gateway: turns.get(gateway) as Turn,
    })
  }
  return results
}

async function takeTurn(
  { load }: Contest,
  { server, key }: Contestant,
  traffic: Traffic,
): Promise<Turn> {
  const before = await readCpuMicros(server.pid)
  const report = await load.run({ ...traffic, port: server.port, key })
  const spent = (await readCpuMicros(server.pid)) - before
  if (spent <= 0) throw new Error(`${server.name} answered without using any CPU`)
  return { ...report, cpuPerRequestMicros: spent / report.requests }
}
