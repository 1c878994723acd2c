import { setTimeout as sleep } from 'node:timers/promises'
import { hasProcessTable } from './process-table.ts'
import type { ProcessEntry, ProcessTable, ProcessTableReader } from './process-table.ts'

/** What a tree grew from. */
export interface TreeRoot {
  /** Also the id of its process group; undefined when only the marker is known. */
  readonly pid: number | undefined
  /** Start of the root; undefined where there is no /proc. */
  readonly startTicks: number | undefined
  readonly marker: string
}

/** A child with everything that descends from it, also what has left its group, its session or its parent. */
export interface ProcessTree {
  /** Who of the table belongs to the tree. They are remembered, and found again when their parents are gone. */
  membersIn(table: ProcessTable): ProcessEntry[]
  /** Looks now, so that the members are remembered. */
  remember(): Promise<void>
  /** Signals every member; with `spareRoot`, all but the root. */
  signal(signal: NodeJS.Signals, options?: { readonly spareRoot?: boolean }): Promise<void>
  /** SIGKILL to every member, again and again for at most 5 s. Resolves to whether the tree is gone. */
  kill(): Promise<boolean>
  /** SIGTERM, `graceMs`, then `kill`. Returns at once when nobody is left. Resolves to whether the tree is gone. */
  end(graceMs: number): Promise<boolean>
}

const killMsMax = 5_000
const pollMsMin = 10
const pollMsMax = 100

/** Creates the view of the tree below `root`. */
export function createProcessTree(root: TreeRoot, reader: ProcessTableReader): ProcessTree {
  return hasProcessTable ? new LinuxTree(root, reader) : new GroupTree(root)
}

/** Signals one process, or with a negative id a group. Returns false when there is none, or it may not be signalled. */
function sendSignal(id: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(id, signal)
  } catch {
    return false
  }
}

abstract class EndingTree {
  protected abstract isGone(): Promise<boolean>
  abstract signal(signal: NodeJS.Signals): Promise<void>

  async end(graceMs: number): Promise<boolean> {
    if (await this.isGone()) return true
    await this.signal('SIGTERM')
    return (await this.#isGoneWithin(graceMs)) || (await this.kill())
  }

  async kill(): Promise<boolean> {
    const deadline = performance.now() + killMsMax
    while (performance.now() < deadline) {
      await this.signal('SIGKILL')
      // Between two looks somebody may have been born: each round kills who is there by then.
      if (await this.#isGoneWithin(pollMsMax)) return true
    }
    return false
  }

  async #isGoneWithin(timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs
    let pollMs = pollMsMin
    while (!(await this.isGone())) {
      if (performance.now() >= deadline) return false
      await sleep(pollMs)
      pollMs = Math.min(pollMs * 2, pollMsMax)
    }
    return true
  }
}

class LinuxTree extends EndingTree implements ProcessTree {
  readonly #root: TreeRoot
  readonly #reader: ProcessTableReader
  #known: ReadonlyMap<number, number> = new Map()

  constructor(root: TreeRoot, reader: ProcessTableReader) {
    super()
    this.#root = root
    this.#reader = reader
  }

  membersIn(table: ProcessTable): ProcessEntry[] {
    const children = Map.groupBy(table.values(), ({ parentPid }) => parentPid)
    const members = new Map<number, ProcessEntry>()
    const found = [...table.values()].filter((entry) => this.#isOwn(entry, table))
    for (let entry = found.pop(); entry; entry = found.pop()) {
      if (members.has(entry.pid) || entry.pid === process.pid) continue
      members.set(entry.pid, entry)
      found.push(...(children.get(entry.pid) ?? []))
    }
    this.#known = new Map([...members.values()].map(({ pid, startTicks }) => [pid, startTicks]))
    return [...members.values()]
  }

  async remember(): Promise<void> {
    await this.#findMembers()
  }

  async signal(signal: NodeJS.Signals, { spareRoot = false } = {}): Promise<void> {
    for (const { pid } of (await this.#findMembers()) ?? []) {
      if (!spareRoot || pid !== this.#root.pid) sendSignal(pid, signal)
    }
  }

  protected async isGone(): Promise<boolean> {
    return (await this.#findMembers())?.length === 0
  }

  /** Undefined when one cannot look, for want of file descriptors: then nobody counts as gone. */
  async #findMembers(): Promise<ProcessEntry[] | undefined> {
    const table = await this.#reader.readFresh().catch(() => undefined)
    return table && this.membersIn(table)
  }

  #isOwn(entry: ProcessEntry, table: ProcessTable): boolean {
    const { pid, startTicks, marker } = this.#root
    if (entry.marker === marker) return true
    if (this.#known.get(entry.pid) === entry.startTicks) return true
    if (pid === undefined || startTicks === undefined || entry.groupId !== pid) return false
    // Once the root and its group are gone, the number may be given to somebody else.
    const holder = table.get(pid)
    return holder === undefined ? entry.startTicks >= startTicks : holder.startTicks === startTicks
  }
}

/** Without /proc there is the process group, and whoever leaves it is lost. */
class GroupTree extends EndingTree implements ProcessTree {
  readonly #root: TreeRoot

  constructor(root: TreeRoot) {
    super()
    this.#root = root
  }

  membersIn(): ProcessEntry[] {
    return []
  }

  async remember(): Promise<void> {}

  async signal(signal: NodeJS.Signals): Promise<void> {
    if (this.#root.pid !== undefined) sendSignal(-this.#root.pid, signal)
  }

  protected async isGone(): Promise<boolean> {
    return this.#root.pid === undefined || !sendSignal(-this.#root.pid, 0)
  }
}
