// Sends the official conformance suite through Portico on every route and says what is left of it: `npm run conformance`.
// `--only <route>` runs one route, `--direct` only the fixtures themselves, `--verbose` prints every complaint.
import { parseArgs } from 'node:util'
import type { ConformanceRun } from '../test/support/conformance.ts'
import { startPortico } from '../test/support/portico.ts'
import {
  baselineOf,
  baselines,
  mayMiss,
  measure,
  routes,
  runDirectly,
} from './conformance-routes.ts'
import type { Baseline, Measured, Route, ServiceFields } from './conformance-routes.ts'

const parallelRuns = 2

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    direct: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
})

const chosen = routes.filter(({ name }) => options.only === undefined || name === options.only)
if (chosen.length === 0) {
  const names = new Set(routes.map(({ name }) => name))
  throw new Error(`No route of that name. There are: ${[...names].join(', ')}`)
}
const needed = options.direct
  ? baselines
  : baselines.filter((baseline) => chosen.some((route) => isSame(baselineOf(route), baseline)))

const runs = await inParallel(needed, async (baseline) => ({
  baseline,
  run: await runDirectly(baseline),
}))
if (options.direct) {
  for (const { baseline, run } of runs) printDirect(baseline, run)
  const isWhole = runs.every(({ run }) => run.scenarios.every(({ isPassed }) => isPassed))
  process.exitCode = isWhole ? 0 : 1
} else {
  const rows = await sendThroughPortico()
  printTable(rows)
  const kept = sum(rows.map(({ measured }) => measured.passed))
  const expected = sum(rows.map(({ measured }) => measured.expected))
  console.log(`conformance: retained ${kept}/${expected}`)
  const isKept = rows.every(({ route, measured }) => measured.missing.length <= mayMiss(route))
  process.exitCode = isKept ? 0 : 1
}

interface Row {
  readonly route: Route
  readonly measured: Measured
}

async function sendThroughPortico(): Promise<Row[]> {
  await using portico = await startPortico()
  const scopes = ['services:use']
  const { key } = await portico.createKey({ name: 'conformance', scopes, allowQuery: true })
  // Every required scenario keeps the query of the URL that it is given.
  const publish = async (service: ServiceFields) => {
    await portico.api('POST', '/api/services', service)
    return `${portico.url}/mcp/${String(service['name'])}?apiKey=${key}`
  }
  return await inParallel(chosen, async (route) => {
    const baseline = baselineOf(route)
    const direct = runs.find((entry) => isSame(entry.baseline, baseline))?.run
    if (!direct) throw new Error('There is no direct run to compare with')
    // A route that cannot be set up has kept nothing; the others go on.
    const measured = await measure(route, direct, publish).catch((error: unknown) =>
      lost(direct, String(error)),
    )
    if (options.verbose) printComplaints(route, measured)
    return { route, measured }
  })
}

function lost({ scenarios }: ConformanceRun, complaint: string): Measured {
  const names = scenarios.filter(({ isPassed }) => isPassed).map(({ name }) => name)
  const missing = names.map((name) => ({ name, complaints: [complaint] }))
  return { expected: names.length, passed: 0, missing }
}

/** Runs `work` on all items, a few at a time, and keeps their order. */
async function inParallel<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  const queue = items.entries()
  const takeTurns = async () => {
    for (const [index, item] of queue) results[index] = await work(item)
  }
  await Promise.all(Array.from({ length: parallelRuns }, takeTurns))
  return results
}

function printDirect({ fixture, requirements }: Baseline, { scenarios }: ConformanceRun): void {
  const passed = scenarios.filter(({ isPassed }) => isPassed)
  const checks = sum(scenarios.map(({ heldCount }) => heldCount))
  console.log(
    `${fixture.padEnd(8)} ${requirements}  ${passed.length}/${scenarios.length}, ${checks} checks held`,
  )
  for (const { name, isPassed, complaints } of scenarios) {
    if (isPassed && !options.verbose) continue
    for (const complaint of complaints) console.log(`  ${name}: ${complaint}`)
  }
}

function printTable(rows: readonly Row[]): void {
  const lines = rows.map(({ route, measured: { expected, passed, missing } }) => [
    route.name,
    route.requirements,
    String(expected),
    String(passed),
    missing.map(({ name }) => name).join(' '),
  ])
  const table = [['route', 'set', 'direct', 'through', 'missing'], ...lines]
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(...table.map((cells) => cells[column]?.length ?? 0)),
  )
  for (const cells of table) {
    console.log(
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
  }
}

function printComplaints({ name, requirements }: Route, { missing }: Measured): void {
  for (const scenario of missing) {
    for (const complaint of scenario.complaints) {
      console.log(`${name} ${requirements} ${scenario.name}: ${complaint}`)
    }
  }
}

function isSame(one: Baseline, other: Baseline): boolean {
  return one.fixture === other.fixture && one.requirements === other.requirements
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
