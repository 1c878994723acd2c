import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parse } from 'yaml'

/** A revision of MCP with a frozen set of scenarios that it requires. */
export type Requirements = '2025-11-25' | '2026-07-28'

/** What one scenario came to. */
interface ScenarioVerdict {
  readonly name: string
  /** None of its checks failed and at least one held. Warnings do not count here. */
  readonly isPassed: boolean
  /** How many checks held. A pass with fewer of them than elsewhere has looked at less. */
  readonly heldCount: number
  /** A line for every check that failed or warned. */
  readonly complaints: readonly string[]
}

/** What a run of the suite came to: the required scenarios in the order of the suite. */
export interface ConformanceRun {
  readonly requirements: Requirements
  readonly scenarios: readonly ScenarioVerdict[]
  /** Everything the suite printed. */
  readonly output: string
}

interface Check {
  readonly id: string
  readonly status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO'
  readonly errorMessage?: string
}

const suite = path.join(import.meta.dirname, '../../node_modules/@modelcontextprotocol/conformance')
const scenarioTimeoutMs = 20_000
const runTimeoutMs = 300_000

/** Runs the official suite against the server at the URL, whose query is kept. Throws when the suite itself does not run. */
export async function runConformance(
  url: string,
  requirements: Requirements,
): Promise<ConformanceRun> {
  const folder = await mkdtemp(path.join(tmpdir(), 'portico-conformance-'))
  await using scope = new AsyncDisposableStack()
  scope.defer(() => rm(folder, { recursive: true, force: true }))
  const output = await runSuite([
    'server',
    `--url=${url}`,
    `--requirements=${requirements}`,
    `--output-dir=${folder}`,
    `--timeout=${scenarioTimeoutMs}`,
  ])
  const results = await readdir(folder)
  const names = await requiredScenarios(requirements)
  const scenarios = names.map(async (name) => judge(name, await readChecks(folder, results, name)))
  return { requirements, scenarios: await Promise.all(scenarios), output }
}

/** Names of the scenarios that a server has to pass. */
async function requiredScenarios(requirements: Requirements): Promise<string[]> {
  const text = await readFile(path.join(suite, `requirements/${requirements}.yaml`), 'utf8')
  return (parse(text) as { server: string[] }).server
}

async function runSuite(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [path.join(suite, 'dist/index.js'), ...args], {
    env: { PATH: process.env['PATH'], NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: runTimeoutMs,
    killSignal: 'SIGKILL',
  })
  let output = ''
  const onText = (text: string) => (output += text)
  child.stdout.setEncoding('utf8').on('data', onText)
  child.stderr.setEncoding('utf8').on('data', onText)
  await once(child, 'close')
  if (!output.includes('=== SUMMARY ===')) throw new Error(`The suite did not finish:\n${output}`)
  return output
}

async function readChecks(
  folder: string,
  results: readonly string[],
  name: string,
): Promise<Check[]> {
  const result = results.find(
    (entry) =>
      entry.startsWith(`server-${name}-`) && /^\d{4}-\d\d-\d\dT/.test(entry.slice(name.length + 8)),
  )
  if (result === undefined) return []
  const text = await readFile(path.join(folder, result, 'checks.json'), 'utf8').catch(() => '[]')
  return JSON.parse(text) as Check[]
}

function judge(name: string, checks: readonly Check[]): ScenarioVerdict {
  const held = checks.filter(({ status }) => status === 'SUCCESS' || status === 'INFO')
  const hasFailed = checks.some(({ status }) => status === 'FAILURE')
  const complaints = checks
    .filter(({ status }) => status === 'FAILURE' || status === 'WARNING')
    .map(({ id, status, errorMessage }) => `${status} ${id}: ${errorMessage ?? ''}`)
  return {
    name,
    isPassed: !hasFailed && checks.some(({ status }) => status === 'SUCCESS'),
    heldCount: held.length,
    complaints: checks.length === 0 ? ['It left no result.'] : complaints,
  }
}
