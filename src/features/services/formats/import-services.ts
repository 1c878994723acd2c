import type { z } from 'zod'
import { AppError } from '../../../lib/errors.ts'
import type { Requester } from '../../../net/requester.ts'
import type { ImportedServiceReport } from '../../../protocol/api/service-formats.ts'
import { NewService } from '../../../protocol/api/services.ts'
import type { ExportableService } from './export-services.ts'
import { fillIn, type FilledService } from './placeholders.ts'
import type { ReadDocument } from './portable-service.ts'
import { toServiceName } from './service-name.ts'

/** Body of `POST /api/services`, not yet checked. */
export type NewServiceBody = z.input<typeof NewService>

/** What an import needs. */
export interface ImportDeps {
  /** Creates a service as `POST /api/services` does, with the same demands on the requester, and does not start it. */
  readonly create: (
    requester: Requester,
    workspaceId: string,
    body: NewServiceBody,
  ) => Promise<{ readonly id: string }>
  /** Of one workspace. */
  readonly services: (workspaceId: string) => readonly ExportableService[]
}

/** On whose behalf, where to, and how. */
export interface ImportOptions {
  readonly requester: Requester
  readonly workspaceId: string
  /** Values of placeholders. */
  readonly values: Readonly<Record<string, string>>
  readonly dryRun: boolean
}

/** What became of one service. */
export type ImportOutcome = z.output<typeof ImportedServiceReport>

/**
 * Creates the services of a document one after the other, and says of each what became of it. A service that is there
 * already is skipped; another one of the same name gets a name of its own. One that fails does not stop the others.
 */
export async function importServices(
  deps: ImportDeps,
  document: ReadDocument,
  options: ImportOptions,
): Promise<ImportOutcome[]> {
  const existing = deps.services(options.workspaceId)
  const taken = new Set(existing.map(({ name }) => name))
  const outcomes: ImportOutcome[] = []
  for (const service of document.services) {
    const filled = fillIn(service, document.inputs, options.values)
    const wanted = toServiceName(service.name, new Set())
    const name = toServiceName(service.name, taken)
    const isThere = existing.some((each) => each.name === wanted && isSame(each, filled))
    const outcome = isThere
      ? describe({ name: wanted, filled, status: 'skipped', message: 'It is there already.' })
      : await createOne(deps, { name, filled, options })
    if (outcome.status === 'created') taken.add(name)
    outcomes.push(name === wanted || isThere ? outcome : withRenaming(outcome, wanted))
  }
  const failures = document.failures.map(({ name, message }): ImportOutcome => ({
    name,
    status: 'failed',
    id: null,
    message,
    warnings: [],
    inputs: [],
  }))
  return [...outcomes, ...failures]
}

/** One service on its way. */
interface Candidate {
  readonly name: string
  readonly filled: FilledService
  readonly options: ImportOptions
}

async function createOne(
  { create }: ImportDeps,
  { name, filled, options }: Candidate,
): Promise<ImportOutcome> {
  const { requester, workspaceId, dryRun } = options
  const body: NewServiceBody = { ...filled.service.body, name }
  const checked = NewService.safeParse(body)
  if (!checked.success) {
    const [first] = checked.error.issues
    const message = `${first?.path.join('.') ?? ''}: ${first?.message ?? 'is not valid'}`
    return describe({ name: filled.service.name, filled, status: 'failed', message })
  }
  if (dryRun) return describe({ name, filled, status: 'created', message: 'It would be created.' })
  try {
    const { id } = await create(requester, workspaceId, body)
    const message = filled.missing.length === 0 ? 'It was created.' : 'It was created disabled.'
    return { ...describe({ name, filled, status: 'created', message }), id }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const { hint } = error.details
    const message = hint === undefined ? error.message : `${error.message} ${hint}`
    return describe({ name: filled.service.name, filled, status: 'failed', message })
  }
}

function describe({
  name,
  filled: { service, missing },
  status,
  message,
}: Pick<Candidate, 'name' | 'filled'> & Pick<ImportOutcome, 'status' | 'message'>): ImportOutcome {
  const warnings = [...service.warnings]
  return { name, status, id: null, message, warnings, inputs: [...missing] }
}

function withRenaming(outcome: ImportOutcome, wanted: string): ImportOutcome {
  if (outcome.status !== 'created') return outcome
  const warning = `The name ${wanted} is taken by another service.`
  return { ...outcome, warnings: [...outcome.warnings, warning] }
}

/** Compares what is run or called; values of the environment are sealed and cannot be compared. */
function isSame({ settings }: ExportableService, { service }: FilledService): boolean {
  const [one, other] = [settings.upstream, service.body.upstream]
  if (one.kind === 'process' && other.kind === 'process') {
    const sameArgs = JSON.stringify(one.args) === JSON.stringify(other.args ?? [])
    return one.command === other.command && sameArgs
  }
  if (one.kind === 'remote' && other.kind === 'remote') return one.url === other.url
  return one.kind === 'builtin' && other.kind === 'builtin' && one.server === other.server
}
