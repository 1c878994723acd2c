import { readFileSync } from 'node:fs'
import { endianness } from 'node:os'
import type { ProcessEntry } from './process-table.ts'

/** Sums over all processes of a tree. */
export interface TreeUsage {
  /** Resident bytes. Pages that several processes share count for each. */
  readonly memoryBytes: number
  /** CPU time so far, ms; of ended processes only what their parents have taken note of. */
  readonly cpuMs: number
}

/** Sums up the members of a tree. */
export function sumUsage(members: readonly ProcessEntry[]): TreeUsage {
  const { pageBytes, ticksPerSecond } = readMachine()
  const sum = (value: (entry: ProcessEntry) => number) =>
    members.reduce((total, entry) => total + value(entry), 0)
  return {
    memoryBytes: sum(({ residentPages }) => residentPages) * pageBytes,
    cpuMs: (sum(({ cpuTicks }) => cpuTicks) * 1000) / ticksPerSecond,
  }
}

/** Turns CPU time into per cent of one core between two looks. */
export interface CpuMeter {
  /** `cpuMs` used until `now` (monotonic, ms). The first look counts from the start of the meter. */
  measure(cpuMs: number, now: number): number
}

/** Creates a meter that starts at `startedAt` (monotonic, ms). */
export function createCpuMeter(startedAt: number): CpuMeter {
  let last = { cpuMs: 0, at: startedAt, percent: 0 }
  return {
    measure(cpuMs, now) {
      // Two looks at the same moment have nothing between them to measure.
      if (now <= last.at) return last.percent
      const percent = Math.max(0, (100 * (cpuMs - last.cpuMs)) / (now - last.at))
      last = { cpuMs, at: now, percent }
      return percent
    },
  }
}

const auxiliary = { pageBytes: 6, ticksPerSecond: 17 }
const defaults = { pageBytes: 4096, ticksPerSecond: 100 }
let machine: typeof defaults | undefined

/** The units in which the kernel counts, from the auxiliary vector that it gave this process: getauxval(3). */
function readMachine(): typeof defaults {
  machine ??= process.arch.endsWith('64') && endianness() === 'LE' ? readVector() : defaults
  return machine
}

function readVector(): typeof defaults {
  const vector = readFileSync('/proc/self/auxv')
  const values = new Map<number, number>()
  for (let at = 0; at + 16 <= vector.length; at += 16) {
    values.set(Number(vector.readBigUInt64LE(at)), Number(vector.readBigUInt64LE(at + 8)))
  }
  return {
    pageBytes: values.get(auxiliary.pageBytes) ?? defaults.pageBytes,
    ticksPerSecond: values.get(auxiliary.ticksPerSecond) ?? defaults.ticksPerSecond,
  }
}
