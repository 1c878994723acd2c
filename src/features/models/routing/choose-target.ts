import type { Cooldown } from './cooldown.ts'
import type { Resolution, Target } from '../catalogue/resolve.ts'

/** Decides where an attempt goes. */
export interface TargetChoice {
  /**
   * A weighted choice among the targets of the lowest priority number that are neither tried nor cooling; a weight of 0 is
   * chosen only where nothing else is left in its priority. Undefined when all are tried or cooling.
   */
  next(resolution: Resolution, tried: ReadonlySet<Target>): Target | undefined
  /** Time until the first of the targets has cooled down, ms; 0 when one is ready. */
  readyInMs(resolution: Resolution): number
}

/** `random` gives numbers from 0 up to but not including 1. */
export function createTargetChoice(deps: {
  cooldown: Cooldown
  random: () => number
}): TargetChoice {
  const { cooldown, random } = deps

  function isOpen(target: Target, tried: ReadonlySet<Target>): boolean {
    return !tried.has(target) && cooldown.isReady(target.provider)
  }

  return {
    next({ targets }, tried) {
      if (targets.length === 1) return isOpen(targets[0]!, tried) ? targets[0] : undefined
      const first = targets.find((target) => isOpen(target, tried))
      if (first === undefined) return undefined
      // Two passes over the tier rather than a list of candidates: this runs for every request.
      let weights = 0
      for (const target of targets) {
        if (target.priority === first.priority && isOpen(target, tried)) weights += target.weight
      }
      let mark = random() * weights
      for (const target of targets) {
        if (target.priority !== first.priority || !isOpen(target, tried)) continue
        mark -= target.weight
        if (mark < 0) return target
      }
      return first
    },
    readyInMs({ targets }) {
      let earliest = Infinity
      for (const { provider } of targets)
        earliest = Math.min(earliest, cooldown.readyInMs(provider))
      return earliest
    },
  }
}
