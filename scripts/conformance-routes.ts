// The ways through Portico that the conformance suite is sent, and what is compared along each of them.
import { runConformance } from '../test/support/conformance.ts'
import type { ConformanceRun, Requirements } from '../test/support/conformance.ts'
import { startFixture, stdioFixture } from '../test/support/mcp-fixture.ts'
import type { FixtureForm, FixtureTransport } from '../test/support/mcp-fixture.ts'

/** What stands behind Portico. */
type Upstream =
  | { readonly kind: 'stdio'; readonly isolation: 'shared' | 'per-session' }
  | { readonly kind: 'remote'; readonly transport: FixtureTransport }

/** One row of the table: a set of scenarios, sent through Portico to a form of the fixture. */
export interface Route {
  readonly name: string
  readonly requirements: Requirements
  readonly fixture: FixtureForm
  readonly upstream: Upstream
}

/** A form of the fixture that the suite can talk to itself. */
export interface Baseline {
  readonly fixture: FixtureForm
  readonly requirements: Requirements
}

/** A service as the management API takes it. */
export type ServiceFields = Readonly<Record<string, unknown>>

/** What came of a row. `missing` are the scenarios that pass directly and do not, or check less, through Portico. */
export interface Measured {
  readonly expected: number
  readonly passed: number
  readonly missing: readonly { readonly name: string; readonly complaints: readonly string[] }[]
}

const legacyWire = '2025-11-25'
const modernWire = '2026-07-28'
const shared: Upstream = { kind: 'stdio', isolation: 'shared' }
const perSession: Upstream = { kind: 'stdio', isolation: 'per-session' }
const http: Upstream = { kind: 'remote', transport: 'http' }
const sse: Upstream = { kind: 'remote', transport: 'sse' }
const websocket: Upstream = { kind: 'remote', transport: 'websocket' }

/** Every row. The first eleven run each transport and isolation with both sets, the rest cross the eras. */
export const routes: readonly Route[] = [
  route('stdio-shared', legacyWire, ['legacy', shared]),
  route('stdio-shared', modernWire, ['dual', shared]),
  route('stdio-per-session', legacyWire, ['legacy', perSession]),
  route('stdio-per-session', modernWire, ['dual', perSession]),
  route('http-legacy', legacyWire, ['legacy', http]),
  route('http-dual', legacyWire, ['dual', http]),
  route('http-dual', modernWire, ['dual', http]),
  route('sse', legacyWire, ['legacy', sse]),
  route('sse', modernWire, ['legacy', sse]),
  route('websocket', legacyWire, ['legacy', websocket]),
  route('websocket', modernWire, ['legacy', websocket]),
  route('modern-over-legacy-http', modernWire, ['legacy', http]),
  route('modern-over-legacy-stdio', modernWire, ['legacy', shared]),
  route('legacy-over-modern-http', legacyWire, ['modern', http]),
  route('legacy-over-modern-stdio', legacyWire, ['modern', shared]),
]

/**
 * How many scenarios a row may lose. A modern client in front of a legacy server has the suite wait 600 ms for a call that
 * first starts a child for what that client can do, which a busy machine does not keep; and what a legacy server asks has
 * no key of the server's choice unless it names one.
 */
export function mayMiss({ requirements, fixture }: Route): number {
  return requirements === modernWire && fixture === 'legacy' ? 2 : 0
}

/** What the suite is sent to without Portico between. */
export const baselines: readonly Baseline[] = [
  { fixture: 'legacy', requirements: legacyWire },
  { fixture: 'dual', requirements: legacyWire },
  { fixture: 'dual', requirements: modernWire },
  { fixture: 'modern', requirements: modernWire },
]

/** The baseline of a row: its own fixture where that speaks the era of the set, else the one that speaks both. */
export function baselineOf({ fixture, requirements }: Baseline): Baseline {
  const own = baselines.find(
    (baseline) => baseline.fixture === fixture && baseline.requirements === requirements,
  )
  return own ?? { fixture: 'dual', requirements }
}

/** Runs the suite against a form of the fixture, over HTTP. */
export async function runDirectly({ fixture, requirements }: Baseline): Promise<ConformanceRun> {
  await using server = await startFixture(fixture)
  return await runConformance(server.url, requirements)
}

/**
 * Runs the suite through Portico and compares it with the direct run.
 * `publish` makes the service and resolves with the URL under which the suite reaches it.
 */
export async function measure(
  { name, requirements, fixture, upstream }: Route,
  direct: ConformanceRun,
  publish: (service: ServiceFields) => Promise<string>,
): Promise<Measured> {
  await using scope = new AsyncDisposableStack()
  const service = { name: `${name}-${requirements.slice(0, 4)}` }
  const url = await publish({ ...service, ...(await startUpstream(scope, fixture, upstream)) })
  return compare(direct, await runConformance(url, requirements))
}

/** What a run has kept of a direct one. */
export function compare(direct: ConformanceRun, through: ConformanceRun): Measured {
  const expected = direct.scenarios.filter(({ isPassed }) => isPassed)
  const missing = expected.flatMap(({ name, heldCount }) => {
    const kept = through.scenarios.find((scenario) => scenario.name === name)
    if (kept?.isPassed && kept.heldCount >= heldCount) return []
    const fewer = `Only ${kept?.heldCount ?? 0} of ${heldCount} checks held.`
    return [{ name, complaints: [...(kept?.complaints ?? []), fewer] }]
  })
  return { expected: expected.length, passed: expected.length - missing.length, missing }
}

async function startUpstream(
  scope: AsyncDisposableStack,
  fixture: FixtureForm,
  upstream: Upstream,
): Promise<ServiceFields> {
  if (upstream.kind === 'stdio') {
    const process = { kind: 'process', ...stdioFixture(fixture) }
    return { upstream: process, isolation: upstream.isolation }
  }
  const { url } = scope.use(await startFixture(fixture, upstream.transport))
  const transport = upstream.transport === 'http' ? 'auto' : upstream.transport
  return { upstream: { kind: 'remote', url, transport, allowPrivate: true } }
}

function route(
  name: string,
  requirements: Requirements,
  [fixture, upstream]: [FixtureForm, Upstream],
): Route {
  return { name, requirements, fixture, upstream }
}
