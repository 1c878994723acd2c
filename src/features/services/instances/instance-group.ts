import type { Clock } from '../../../lib/clock.ts'
import { AppError } from '../../../lib/errors.ts'
import type { Instance } from './instance.ts'

/** The use of an instance: while anybody has one of it, it is not stopped. */
export interface Lease {
  readonly instance: Instance
  /** Ends it. Idempotent. */
  release(): void
}

/** How the instances of a group live. */
export interface GroupRules {
  /** Without leases for so long, an instance ends; null for never. */
  readonly idleStopMs: number | null
  /** Then another one takes over; null for never. */
  readonly lifetimeMaxMs: number | null
  /** Instances at a time, beside those that only finish. */
  readonly membersMax: number
  /** How long a call waits for its turn before another instance is opened for it, ms. */
  readonly turnWaitMs: number
}

/** What a group works with. */
export interface GroupDependencies {
  readonly clock: Clock
  /** Makes a new instance. */
  readonly open: () => Promise<Instance>
  /** Hears of each that ended, with the reason if it was not by us. */
  readonly onGone: (error: AppError | undefined) => void
}

interface Member {
  readonly instance: Instance
  leases: number
  /** `clock.elapsed()` at the end of the last lease. */
  usedAt: number
  /** A call has its turn on it. */
  isTaken: boolean
  /** It takes no new leases and ends with the last. */
  isLeaving: boolean
  idle: NodeJS.Timeout | undefined
  lifetime: NodeJS.Timeout | undefined
}

/** Longest wait for a turn where no further instance may be opened. */
const turnWaitMaxMs = 60_000

/**
 * The instances that serve clients with the same rights to them: one, and more only where calls have to take turns.
 * Disposing of the group ends them all.
 */
export class InstanceGroup implements AsyncDisposable {
  readonly #deps: GroupDependencies
  readonly #rules: GroupRules
  readonly #members = new Set<Member>()
  readonly #waiting = new Set<(member: Member | undefined) => void>()
  readonly #ending = new Set<Promise<void>>()
  #opening: Promise<Member> | undefined
  #isClosed = false

  constructor(deps: GroupDependencies, rules: GroupRules) {
    this.#deps = deps
    this.#rules = rules
  }

  get instances(): readonly Instance[] {
    return [...this.#members].map(({ instance }) => instance)
  }

  /** Nothing is open, opening or ending. */
  get isEmpty(): boolean {
    return this.#members.size === 0 && this.#opening === undefined && this.#ending.size === 0
  }

  /** Something is open, and nobody uses it. */
  get isIdle(): boolean {
    return this.#opening === undefined && [...this.#members].every(({ leases }) => leases === 0)
  }

  get isOpening(): boolean {
    return this.#opening !== undefined
  }

  /** Calls under way. */
  get running(): number {
    return this.instances.reduce((sum, instance) => sum + instance.running, 0)
  }

  /**
   * An instance to use, opened where there is none. `asks`: the call is one about which the server may ask the client.
   * Rejects as opening does, with `service_failed` once the group is disposed of, with `overloaded` when no turn comes.
   */
  async lease(asks: boolean): Promise<Lease> {
    this.#requireOpen()
    const first = this.#usable()[0] ?? (await this.#open())
    return asks && first.instance.needsTurns ? this.#leaseTurn(first) : this.#use(first, false)
  }

  /** Ends one of them, whoever uses it. Does nothing where it is none of them. */
  async discard(instance: Instance): Promise<void> {
    const member = [...this.#members].find((one) => one.instance === instance)
    if (member !== undefined) await this.#end(member)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    for (const wake of this.#waiting) wake(undefined)
    await this.#opening?.catch(() => undefined)
    await Promise.all([...[...this.#members].map((member) => this.#end(member)), ...this.#ending])
  }

  /** One opening at a time, which all who need it share. */
  #open(): Promise<Member> {
    this.#opening ??= this.#deps
      .open()
      .then((instance) => this.#admit(instance))
      .finally(() => (this.#opening = undefined))
    return this.#opening
  }

  async #admit(instance: Instance): Promise<Member> {
    if (this.#isClosed) {
      await instance[Symbol.asyncDispose]()
      this.#requireOpen()
    }
    const member: Member = {
      instance,
      leases: 0,
      usedAt: this.#deps.clock.elapsed(),
      isTaken: false,
      isLeaving: false,
      idle: undefined,
      lifetime: undefined,
    }
    this.#members.add(member)
    void instance.closed.then((error) => this.#forget(member, error))
    this.#awaitLifetime(member)
    if (this.#rules.idleStopMs !== null) this.#awaitIdle(member, this.#rules.idleStopMs)
    return member
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new AppError('service_failed', 'The service was stopped.')
  }

  #forget(member: Member, error: AppError | undefined): void {
    if (!this.#members.delete(member)) return
    clearTimeout(member.idle)
    clearTimeout(member.lifetime)
    this.#wakeNext()
    this.#deps.onGone(member.isLeaving ? undefined : error)
  }

  #end(member: Member): Promise<void> {
    member.isLeaving = true
    const settle = () => {
      this.#ending.delete(done)
      this.#forget(member, undefined)
    }
    // One that does not end in good order is over all the same, and nobody waits who could mend it.
    const done: Promise<void> = member.instance[Symbol.asyncDispose]().then(settle, settle)
    this.#ending.add(done)
    return done
  }

  #awaitLifetime(member: Member): void {
    const { lifetimeMaxMs } = this.#rules
    if (lifetimeMaxMs === null) return
    member.lifetime = setTimeout(() => void this.#replace(member), lifetimeMaxMs).unref()
  }

  /** The successor is there before the old one takes its leave; where it cannot be had, the old one stays. */
  async #replace(member: Member): Promise<void> {
    if (this.#isClosed || !this.#members.has(member)) return
    const isIdle = member.leases === 0
    const successor = isIdle ? undefined : await this.#open().catch((error: unknown) => error)
    if (successor instanceof Error) return this.#awaitLifetime(member)
    member.isLeaving = true
    if (member.leases === 0) await this.#end(member)
  }

  #awaitIdle(member: Member, ms: number): void {
    member.idle = setTimeout(() => {
      const { idleStopMs } = this.#rules
      const idleMs = this.#deps.clock.elapsed() - member.usedAt
      const leftMs = (idleStopMs ?? 0) - (member.leases > 0 ? 0 : idleMs)
      if (leftMs > 0) this.#awaitIdle(member, leftMs)
      else void this.#end(member)
    }, ms).unref()
  }

  #usable(): Member[] {
    return [...this.#members].filter(({ isLeaving }) => !isLeaving)
  }

  #free(): Member | undefined {
    return this.#usable().find(({ isTaken }) => !isTaken)
  }

  #mayGrow(): boolean {
    return this.#usable().length < this.#rules.membersMax
  }

  #use(member: Member, takesTurn: boolean): Lease {
    let isOver = false
    member.leases += 1
    if (takesTurn) member.isTaken = true
    return {
      instance: member.instance,
      release: () => {
        if (isOver) return
        isOver = true
        member.leases -= 1
        member.usedAt = this.#deps.clock.elapsed()
        if (takesTurn) member.isTaken = false
        if (member.leases === 0 && member.isLeaving) void this.#end(member)
        if (takesTurn) this.#wakeNext()
      },
    }
  }

  async #leaseTurn(first: Member): Promise<Lease> {
    let member = first.isTaken ? this.#free() : first
    while (member === undefined || member.isTaken || !this.#members.has(member)) {
      member = await this.#awaitTurn(this.#mayGrow() ? this.#rules.turnWaitMs : turnWaitMaxMs)
      this.#requireOpen()
      if (member !== undefined) continue
      if (!this.#mayGrow())
        throw new AppError('overloaded', 'Every instance of the service is busy.')
      member = await this.#open()
    }
    return this.#use(member, true)
  }

  /** Resolves with a member whose turn is free, or with undefined when that took too long or another may be opened. */
  #awaitTurn(waitMs: number): Promise<Member | undefined> {
    const { promise, resolve } = Promise.withResolvers<Member | undefined>()
    const wake = (member: Member | undefined) => {
      clearTimeout(timer)
      this.#waiting.delete(wake)
      resolve(member)
    }
    const timer = setTimeout(() => wake(undefined), waitMs)
    this.#waiting.add(wake)
    return promise
  }

  #wakeNext(): void {
    const [wake] = this.#waiting
    const free = this.#free()
    if (wake !== undefined && (free !== undefined || this.#mayGrow())) wake(free)
  }
}
