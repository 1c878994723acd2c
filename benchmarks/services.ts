import { configureServices, addNumbered, createKey, manySessions } from './service-gateway.ts'
import { listTools, openSession } from './mcp-client.ts'
import type { McpJob } from './mcp-load.ts'
import { startMcpProxy, startSupergateway } from './mcp-peers.ts'
import type { McpUpstream } from './mcp-peers.ts'
import { assertMeasurable, temporaryFolder } from './measured-process.ts'
import type { MeasuredServer } from './measured-process.ts'
import { toolOf } from './mcp-traffic.ts'
import type { Era } from './mcp-traffic.ts'
import { startLoad, startMock, startPortico } from './programs.ts'
import type { PorticoProcess } from './programs.ts'
import { measureRow } from './service-rows.ts'
import type { Row, RowPlan, Way } from './service-rows.ts'
import { measureSessions } from './session-memory.ts'
import { formatFigure, isMet, spreadOf } from './statistics.ts'
import type { Figure } from './statistics.ts'

/** How much of everything is done. */
interface Plan {
  readonly rounds: number
  readonly roundMs: number
  readonly sessions: number
  readonly streams: number
  readonly restarts: number
}

const fullPlan: Plan = { rounds: 5, roundMs: 3_000, sessions: 2_000, streams: 500, restarts: 5 }
const quickPlan: Plan = { rounds: 3, roundMs: 1_000, sessions: 500, streams: 100, restarts: 1 }

const relayTargets = { callsPerSecondMin: 5_000, addedP50MsMax: 0.5 }
const stdioTargets = { callsPerSecondMin: 3_000 }
const listedServices = 100

/** What there is to measure with. */
interface Bench {
  readonly scope: AsyncDisposableStack
  readonly mock: MeasuredServer
  readonly portico: PorticoProcess
  readonly key: string
}

/**
 * Measures calls of MCP tools through Portico against the same calls made directly and through other proxies, in the
 * same run, and prints a table. Returns whether every figure is within its bounds. Throws when the measurement itself
 * is not sound.
 */
export async function benchmarkServices(options: { readonly quick: boolean }): Promise<boolean> {
  assertMeasurable()
  const plan = options.quick ? quickPlan : fullPlan
  await using scope = new AsyncDisposableStack()
  const mock = scope.use(await startMock('mock-mcp-http.ts'))
  const figures: Figure[] = []
  for await (const figure of measureAll({ scope, mock, plan })) {
    figures.push(figure)
    console.log(formatFigure(figure))
  }
  return figures.every(isMet)
}

interface Setup {
  readonly scope: AsyncDisposableStack
  readonly mock: MeasuredServer
  readonly plan: Plan
}

async function* measureAll({ scope, mock, plan }: Setup): AsyncGenerator<Figure> {
  yield await measureListing(mock.port, plan)
  const portico = scope.use(await startPortico({ settings: manySessions }))
  const key = await configureServices(portico, mock.port)
  const rowPlan = { ...plan, load: scope.use(startLoad<McpJob>('mcp-load.ts')) }
  for (const open of [openHttp('legacy'), openHttp('modern'), openStdio, openBundle]) {
    yield* await measureOpened(open, rowPlan, { mock, portico, key })
  }
  const sessions = { ...plan, kilobytesMax: 30 }
  yield* await measureSessions('stdio', porticoWay({ portico, key }, 'stdio'), sessions)
  const { kilobytesMax: _, ...told } = sessions
  const legacy = porticoWay({ portico, key }, 'legacy')
  yield* await measureSessions('HTTP, each with one upstream', legacy, told)
  await using proxy = await startMcpProxy({ kind: 'stdio' })
  yield* await measureSessions('stdio: mcp-proxy', peerWay(proxy, 'legacy'), told)
}

type OpenRow = (bench: Bench) => Promise<Row>

/** The peers of a row live as long as it is measured. */
async function measureOpened(
  open: OpenRow,
  plan: RowPlan,
  bench: Omit<Bench, 'scope'>,
): Promise<Figure[]> {
  await using scope = new AsyncDisposableStack()
  return await measureRow(await open({ ...bench, scope }), plan)
}

function openHttp(era: Era): OpenRow {
  return async (bench) => {
    const { scope, mock } = bench
    const upstream: McpUpstream = { kind: 'http', url: `http://127.0.0.1:${mock.port}/mcp`, era }
    // Towards HTTP supergateway speaks the legacy era only.
    const supergateway = era === 'legacy' && {
      supergateway: peerWay(scope.use(await startSupergateway(upstream)), era),
    }
    const ways = {
      direct: peerWay(mock, era),
      Portico: porticoWay(bench, era, era),
      ...supergateway,
      'mcp-proxy': peerWay(scope.use(await startMcpProxy(upstream)), era),
    }
    return { name: `HTTP, ${era}`, ways, ...relayTargets }
  }
}

async function openStdio(bench: Bench): Promise<Row> {
  const upstream: McpUpstream = { kind: 'stdio' }
  const ways = {
    Portico: porticoWay(bench, 'stdio'),
    supergateway: peerWay(bench.scope.use(await startSupergateway(upstream)), 'legacy'),
    'mcp-proxy': peerWay(bench.scope.use(await startMcpProxy(upstream)), 'legacy'),
  }
  return { name: 'stdio, shared', ways, ...stdioTargets }
}

/** None of the peers has anything like a bundle. */
async function openBundle(bench: Bench): Promise<Row> {
  const path = '/mcp/7'
  const tool = toolOf(path)
  const direct = peerWay(bench.mock, 'legacy')
  const ways = {
    direct: { ...direct, endpoint: { ...direct.endpoint, path }, tool },
    Portico: { ...porticoWay(bench, 'fifty'), tool },
  }
  return { name: 'bundle of 50', ways }
}

function peerWay(server: MeasuredServer, era: Era): Way {
  return { server, endpoint: { port: server.port, path: '/mcp', era }, tool: toolOf('/mcp') }
}

function porticoWay(
  { portico, key }: Pick<Bench, 'portico' | 'key'>,
  service: string,
  era: Era = 'legacy',
): Way {
  const endpoint = { port: portico.port, path: `/mcp/${service}`, era, key }
  return { server: portico, endpoint, tool: toolOf('/mcp') }
}

/** Starts with services that were there before, and asks for all their tools as soon as it is ready. */
async function measureListing(mockPort: number, plan: Plan): Promise<Figure> {
  await using scope = new AsyncDisposableStack()
  const home = await temporaryFolder(scope)
  const key = await prepareListing(home, mockPort)
  const seconds: number[] = []
  for (let restart = 0; restart < plan.restarts; restart += 1) {
    await using portico = await startPortico({ home })
    const readyAt = performance.now()
    await listAll(portico.port, key)
    seconds.push((performance.now() - readyAt) / 1000)
  }
  return {
    name: `tools of ${listedServices} services after a restart`,
    unit: 's',
    limit: 1,
    spread: spreadOf(seconds),
  }
}

async function prepareListing(home: string, mockPort: number): Promise<string> {
  await using portico = await startPortico({ home })
  await addNumbered(portico, mockPort, listedServices)
  const key = await createKey(portico)
  await listAll(portico.port, key)
  return key
}

/** Asks until the tools of all services are there. */
async function listAll(port: number, key: string): Promise<void> {
  const deadline = performance.now() + 30_000
  const session = await openSession({ port, path: '/mcp', era: 'legacy', key })
  let found = 0
  while (found < listedServices) {
    if (performance.now() > deadline) throw new Error(`Only ${found} tools are listed`)
    found = (await listTools(session)).length
  }
}
