import type { LoadReport } from './load.ts'
import { readTreeCpu } from './measured-process.ts'
import type { MeasuredServer } from './measured-process.ts'
import type { LoadProcess } from './programs.ts'
import { spreadOf } from './statistics.ts'
import type { Figure } from './statistics.ts'

/** The servers that are compared in one run, by name, what loads them, and how often. */
export interface Contest<Name extends string, Address extends object, Traffic extends object> {
  readonly contestants: Readonly<Record<Name, Contestant<Address>>>
  readonly load: LoadProcess<Address & Traffic & Port>
  /** Rounds of one measurement; each gives every server the same load, one right after the other. */
  readonly rounds: number
}

/** A server, and what a job for it needs beside its port. */
export interface Contestant<Address extends object> {
  readonly server: MeasuredServer
  readonly address: Address
}

interface Port {
  readonly port: number
}

/** What one server's part of a round has given. */
export interface Turn extends LoadReport {
  /** User and system time of the server and all that it has started on the measured core, µs. */
  readonly cpuPerRequestMicros: number
  /** The same of what it has started on the core of the load, which is its upstream. */
  readonly upstreamCpuPerRequestMicros: number
}

/** What all servers have given in one round. */
export type Round<Name extends string> = Readonly<Record<Name, Turn>>

/** A contest of two: a proxy to compare with, and what is under test. */
type Duel<Address extends object, Traffic extends object> = Contest<
  'baseline' | 'gateway',
  Address,
  Traffic
>

/** Compares CPU time per request; the figure is the gateway's as a multiple of the baseline's. */
export async function compareCpu<Address extends object, Traffic extends object>(
  contest: Duel<Address, Traffic>,
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
export async function compareDuration<Address extends object, Traffic extends object>(
  contest: Duel<Address, Traffic>,
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

/** Gives all servers the same load, round after round. The first round, which only warms up, is not in the result. */
export async function runRounds<
  Name extends string,
  Address extends object,
  Traffic extends object,
>(contest: Contest<Name, Address, Traffic>, traffic: Traffic): Promise<Round<Name>[]> {
  const names = Object.keys(contest.contestants) as Name[]
  const runRound = async (order: readonly Name[]) => {
    const turns: [Name, Turn][] = []
    for (const name of order) {
      turns.push([name, await takeTurn(contest.load, contest.contestants[name], traffic)])
    }
    return Object.fromEntries(turns) as Round<Name>
  }
  await runRound(names)
  const results: Round<Name>[] = []
  for (let round = 0; round < contest.rounds; round += 1) {
    // Whoever goes first changes, so that a drift of the machine favours nobody.
    const first = round % names.length
    results.push(await runRound([...names.slice(first), ...names.slice(0, first)]))
  }
  return results
}

async function takeTurn<Address extends object, Traffic extends object>(
  load: LoadProcess<Address & Traffic & Port>,
  { server, address }: Contestant<Address>,
  traffic: Traffic,
): Promise<Turn> {
  const before = await readTreeCpu(server.pid)
  const report = await load.run({ ...traffic, ...address, port: server.port })
  const after = await readTreeCpu(server.pid)
  const spent = after.measuredMicros - before.measuredMicros
  const upstreamSpent = after.upstreamMicros - before.upstreamMicros
  if (spent + upstreamSpent <= 0) throw new Error(`${server.name} answered without using any CPU`)
  return {
    ...report,
    cpuPerRequestMicros: spent / report.requests,
    upstreamCpuPerRequestMicros: upstreamSpent / report.requests,
  }
}
