import { createHash } from 'node:crypto'
import type { Selectable } from 'kysely'
import { z } from 'zod'
import type { Clock } from '../../../lib/clock.ts'
import { AppError } from '../../../lib/errors.ts'
import { newId } from '../../../lib/ids.ts'
import { notFound } from '../../../net/requester.ts'
import type { Author } from '../../../net/requester.ts'
import { writeAudit } from '../../../store/audit.ts'
import type { CommandApprovalTable } from '../../../store/schema.ts'
import type { Store } from '../../../store/store.ts'
import { createOneAtATime } from '../one-at-a-time.ts'

/**
 * A command line that a request wants to run, e.g. `npx` with `-y @modelcontextprotocol/server-memory@2026.8.31`.
 * Nothing is approved from the start, however well known it is.
 */
interface AskedCommand {
  /** As it will be spawned: absolute, or found on PATH. */
  readonly command: string
  readonly args: readonly string[]
  /** In any order; values are not part of what is approved. */
  readonly envNames: readonly string[]
  readonly cwd: string | null
  readonly sandbox: boolean
}

/** What was decided, if anything was asked. */
type Standing = 'approved' | 'pending' | 'rejected' | 'unknown'

/** An entry of the list of commands. Times are epoch ms. */
export interface CommandApproval extends AskedCommand {
  readonly id: string
  readonly workspaceId: string
  readonly hash: string
  readonly state: Exclude<Standing, 'unknown'>
  readonly createdAt: number
  readonly decidedAt: number | null
  readonly decidedBy: string | null
}

/** The commands that requests wanted to run, in memory as in the store. */
export interface CommandApprovals {
  /** Never waits: it is asked before a command is run. */
  find(workspaceId: string, command: AskedCommand): Standing
  /** Notes that somebody wants to run the command, once. Returns the id of the entry. Rejects with `overloaded` where too many wait. */
  request(workspaceId: string, command: AskedCommand): Promise<string>
  /** Of one workspace, those that wait first, then the latest. */
  list(workspaceId: string): CommandApproval[]
  /** Throws `not_found`. */
  get(id: string): CommandApproval
  /** Whoever awaits it finds the decision durable, audited and effective. Throws `not_found`. */
  decide(author: Author, id: string, state: 'approved' | 'rejected'): Promise<CommandApproval>
}

const pendingMax = 100

const Texts = z.array(z.string())
const State = z.enum(['pending', 'approved', 'rejected'])

/** Loads all entries. Rejects with `storage_failed` when the store does not answer. */
export async function openCommandApprovals(deps: {
  readonly store: Store
  readonly clock: Clock
}): Promise<CommandApprovals> {
  const { store, clock } = deps
  const rows = await store.db.selectFrom('commandApprovals').selectAll().execute()
  const byId = new Map(rows.map((row) => [row.id, toApproval(row)]))
  const idByHash = new Map(rows.map((row) => [placeOf(row.workspaceId, row.hash), row.id]))
  const inTurn = createOneAtATime()
  const list = (workspaceId: string): CommandApproval[] =>
    [...byId.values()].filter((entry) => entry.workspaceId === workspaceId)

  function find(workspaceId: string, command: AskedCommand): CommandApproval | undefined {
    return byId.get(idByHash.get(placeOf(workspaceId, hashCommand(command))) ?? '')
  }

  async function add(workspaceId: string, command: AskedCommand): Promise<string> {
    const known = find(workspaceId, command)
    if (known !== undefined) return known.id
    if (list(workspaceId).filter(({ state }) => state === 'pending').length >= pendingMax) {
      throw new AppError('overloaded', 'Too many commands wait for approval.')
    }
    const row = newRow(workspaceId, command, clock.now())
    await store.db.insertInto('commandApprovals').values(row).execute()
    byId.set(row.id, toApproval(row))
    idByHash.set(placeOf(workspaceId, row.hash), row.id)
    return row.id
  }

  function get(id: string): CommandApproval {
    const entry = byId.get(id)
    if (entry === undefined) throw notFound('command')
    return entry
  }

  return {
    find: (workspaceId, command) => find(workspaceId, command)?.state ?? 'unknown',
    request: (workspaceId, command) => inTurn(() => add(workspaceId, command)),
    list: (workspaceId) => list(workspaceId).toSorted(byUrgency),
    get,
    decide: (author, id, state) =>
      inTurn(async () => {
        const before = get(id)
        const decision = { state, decidedAt: clock.now(), decidedBy: author.actor }
        const after = { ...before, ...decision }
        await store.db.transaction().execute(async (trx) => {
          await trx.updateTable('commandApprovals').set(decision).where('id', '=', id).execute()
          await writeAudit(trx, toEntry(author, before, after))
        })
        byId.set(id, after)
        return after
      }),
  }
}

/** SHA-256 of the one form that a command has, lower-case hex. */
function hashCommand({ command, args, envNames, cwd, sandbox }: AskedCommand): string {
  const canonical = { args, command, cwd, envNames: sortedNames(envNames), sandbox }
  return createHash('sha256').update(JSON.stringify(canonical)).digest('hex')
}

function sortedNames(names: readonly string[]): string[] {
  return [...new Set(names)].toSorted()
}

function placeOf(workspaceId: string, hash: string): string {
  return `${workspaceId}/${hash}`
}

function byUrgency(one: CommandApproval, other: CommandApproval): number {
  const isWaiting = ({ state }: CommandApproval): number => Number(state === 'pending')
  return isWaiting(other) - isWaiting(one) || other.createdAt - one.createdAt
}

function newRow(
  workspaceId: string,
  command: AskedCommand,
  now: number,
): Selectable<CommandApprovalTable> {
  return {
    id: newId('cmd'),
    workspaceId,
    hash: hashCommand(command),
    argvJson: JSON.stringify([command.command, ...command.args]),
    envNamesJson: JSON.stringify(sortedNames(command.envNames)),
    cwd: command.cwd,
    sandbox: Number(command.sandbox),
    state: 'pending',
    createdAt: now,
    decidedAt: null,
    decidedBy: null,
  }
}

function toApproval(row: Selectable<CommandApprovalTable>): CommandApproval {
  const { argvJson, envNamesJson, sandbox, state, ...rest } = row
  const [command = '', ...args] = Texts.parse(JSON.parse(argvJson))
  const envNames = Texts.parse(JSON.parse(envNamesJson))
  return { ...rest, command, args, envNames, sandbox: sandbox === 1, state: State.parse(state) }
}

function toEntry(
  { actor, requestId, ip }: Author,
  before: CommandApproval,
  after: CommandApproval,
) {
  const { id, workspaceId, command, args, envNames, cwd, sandbox } = before
  const argv = [command, ...args]
  return {
    workspaceId,
    actor,
    requestId,
    ip,
    action: after.state === 'approved' ? 'command.approve' : 'command.reject',
    targetType: 'command',
    targetId: id,
    before: { state: before.state },
    after: { state: after.state, argv, envNames, cwd, sandbox },
  }
}
