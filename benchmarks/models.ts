import { setTimeout as pause } from 'node:timers/promises'
import { ensureProgram } from '../scripts/services.ts'
import { compareCpu, compareDuration, runRounds } from './comparison.ts'
import type { Contest as AnyContest } from './comparison.ts'
import { configureGateway, checkRecords } from './gateway.ts'
import { assertMeasurable, readRssMegabytes } from './measured-process.ts'
import type { ModelJob } from './model-load.ts'
import { startLoad, startMock, startNginx, startPortico } from './programs.ts'
import { formatFigure, isMet, spreadOf } from './statistics.ts'
import type { Figure } from './statistics.ts'
import { burstChunks } from './traffic.ts'

type Address = Pick<ModelJob, 'key'>
type Traffic = Omit<ModelJob, 'port' | 'key'>
type Contest = AnyContest<'baseline' | 'gateway', Address, Traffic>

/** How much of everything is done. */
interface Plan {
  readonly rounds: number
  /** Requests of one server in one round where CPU time is compared; enough for a clock that ticks every 10 ms. */
  readonly requests: {
    readonly small: number
    readonly large: number
    readonly burst: number
    readonly paced: number
  }
  /** Length of one server's part of a round where durations are compared, ms. */
  readonly roundMs: number
  readonly stallRounds: number
  readonly coldStarts: number
  /** Requests before and after the first look at the memory. */
  readonly warmUpRequests: number
  readonly soakRequests: number
}

const fullPlan: Plan = {
  rounds: 7,
  requests: { small: 30_000, large: 8_000, burst: 2_500, paced: 320 },
  roundMs: 3_000,
  stallRounds: 3,
  coldStarts: 5,
  warmUpRequests: 20_000,
  soakRequests: 100_000,
}

const quickPlan: Plan = {
  rounds: 3,
  requests: { small: 10_000, large: 2_500, burst: 800, paced: 128 },
  roundMs: 1_000,
  stallRounds: 1,
  coldStarts: 1,
  warmUpRequests: 2_000,
  soakRequests: 10_000,
}

/** Time for a start to settle, and for the collector to come by. */
const idleMs = 5_000

/** Bound on what ends by its number of requests. */
const patienceMs = 120_000
const busy = { connections: 64, rampMs: 0, durationMs: patienceMs }

/**
 * Measures the models gateway with every feature on against nginx as a plain proxy, in the same run, and prints a
 * table. Returns whether every figure is within its limit. Throws when the measurement itself is not sound.
 */
export async function benchmarkModels(options: { readonly quick: boolean }): Promise<boolean> {
  assertMeasurable()
  const plan = options.quick ? quickPlan : fullPlan
  const nginxProgram = ensureProgram('nginx')
  if (nginxProgram === undefined) throw new Error('This benchmark needs nginx')
  const figures = [await measureColdStart(plan), await measureIdle()]
  for (const figure of figures) console.log(formatFigure(figure))

  await using scope = new AsyncDisposableStack()
  const upstream = scope.use(await startMock('mock-upstream.ts'))
  const nginx = scope.use(await startNginx(nginxProgram, upstream.port))
  const portico = scope.use(await startPortico())
  const contest: Contest = {
    contestants: {
      baseline: { server: nginx, address: { key: 'none' } },
      gateway: {
        server: portico,
        address: { key: await configureGateway(portico, upstream.port) },
      },
    },
    load: scope.use(startLoad<ModelJob>('model-load.ts')),
    rounds: plan.rounds,
  }
  // Memory comes first: it wants a process that has done nothing yet, and it warms up the rest.
  for await (const figure of measureAll(contest, plan)) {
    figures.push(figure)
    console.log(formatFigure(figure))
  }
  console.log(formatFigure(await checkRecords(portico, contest.load.answeredBy(portico.port))))
  return figures.every(isMet)
}

async function* measureAll(contest: Contest, plan: Plan): AsyncGenerator<Figure> {
  yield* measureMemory(contest, plan)
  yield await compareCpu(contest, {
    name: 'small body, 64 connections: CPU',
    limit: 4.5,
    traffic: { ...busy, body: 'small', requestsMax: plan.requests.small },
  })
  yield await compareCpu(contest, {
    name: '100 KB body, 64 connections: CPU',
    limit: 5,
    traffic: { ...busy, body: 'large', requestsMax: plan.requests.large },
  })
  yield await compareCpu(contest, {
    name: 'SSE of 200 chunks at once, 64 connections: CPU',
    limit: 2.5,
    traffic: {
      ...busy,
      body: 'burst',
      streamChunks: burstChunks,
      requestsMax: plan.requests.burst,
    },
  })
  yield await compareCpu(contest, {
    name: 'SSE of 200 chunks, 5 ms apart, 64 connections: CPU',
    limit: 2.5,
    traffic: {
      ...busy,
      body: 'paced200',
      streamChunks: 200,
      requestsMax: plan.requests.paced,
    },
  })
  const timed = { durationMs: plan.roundMs, requestsMax: Number.MAX_SAFE_INTEGER }
  yield await compareDuration(contest, {
    name: 'added p50 at one connection',
    limit: 60,
    unit: 'µs',
    scale: 1000,
    of: 'latencyP50Ms',
    traffic: { ...timed, body: 'small', connections: 1, rampMs: 0 },
  })
  yield await compareDuration(contest, {
    name: 'added time to first chunk, 64 paced streams',
    limit: 0.5,
    unit: 'ms',
    scale: 1,
    of: 'firstChunkP50Ms',
    traffic: { ...timed, body: 'paced64', connections: 64, streamChunks: 50, rampMs: 1_000 },
  })
  yield await measureStalls(contest, plan)
}

async function measureColdStart(plan: Plan): Promise<Figure> {
  const starts: number[] = []
  for (let start = 0; start < plan.coldStarts; start += 1) {
    await using portico = await startPortico()
    starts.push(portico.startMs / 1000)
  }
  return { name: 'cold start to /readyz', unit: 's', limit: 1, spread: spreadOf(starts) }
}

/** A gateway that has been started and left alone. */
async function measureIdle(): Promise<Figure> {
  await using portico = await startPortico()
  await pause(idleMs)
  const idle = await readRssMegabytes(portico.pid)
  return { name: 'idle RSS', unit: 'MB', limit: 110, spread: spreadOf([idle]) }
}

async function* measureMemory(contest: Contest, plan: Plan): AsyncGenerator<Figure> {
  const { server, address } = contest.contestants.gateway
  const send = (requestsMax: number) =>
    contest.load.run({ ...busy, ...address, port: server.port, body: 'small', requestsMax })
  const settledRss = async () => {
    // Time for the queued rows to be written and for the collector to come by.
    await pause(2_000)
    return await readRssMegabytes(server.pid)
  }

  const idle = await settledRss()
  yield { name: 'RSS after configuration', unit: 'MB', spread: spreadOf([idle]) }
  await send(plan.warmUpRequests)
  const early = await settledRss()
  const { requests } = await send(plan.soakRequests)
  const late = await settledRss()
  yield {
    name: `RSS change over ${requests} requests`,
    unit: '%',
    limit: 10,
    spread: spreadOf([Math.abs(late / early - 1) * 100]),
    detail: `${early.toFixed(0)} MB, then ${late.toFixed(0)} MB`,
  }
}

/** 512 streams with a chunk every 25 ms: none may fall silent for ten times as long. */
async function measureStalls(contest: Contest, plan: Plan): Promise<Figure> {
  const traffic: Traffic = {
    body: 'paced512',
    connections: 512,
    streamChunks: 200,
    rampMs: 2_000,
    requestsMax: 512,
    durationMs: patienceMs,
  }
  const rounds = await runRounds({ ...contest, rounds: plan.stallRounds }, traffic)
  const baseline = spreadOf(rounds.map((round) => round.baseline.gapMaxMs))
  return {
    name: '512 paced streams: longest silence',
    unit: 'ms',
    limit: 250,
    spread: spreadOf(rounds.map((round) => round.gateway.gapMaxMs)),
    detail: `nginx: ${baseline.median.toFixed(0)} ms`,
  }
}
