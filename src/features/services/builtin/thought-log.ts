import { z } from 'zod'
import { AppError } from '../../../lib/errors.ts'

/** One step of thinking, as the tool `sequentialthinking` takes it. */
export const Thought = z.object({
  thought: z.string().describe('The step itself.'),
  nextThoughtNeeded: z.boolean().describe('Whether another step follows.'),
  thoughtNumber: z.number().describe('Number of this step, from 1.'),
  totalThoughts: z
    .number()
    .describe('How many steps there will be, as far as can be told; may be changed on the way.'),
  isRevision: z.boolean().optional().describe('Whether this step reconsiders an earlier one.'),
  revisesThought: z.number().optional().describe('Number of the step that is reconsidered.'),
  branchFromThought: z
    .number()
    .optional()
    .describe('Number of the step that a branch leaves from.'),
  branchId: z.string().max(200).optional().describe('Name of the branch.'),
  needsMoreThoughts: z
    .boolean()
    .optional()
    .describe('Whether the end turned out not to be the end.'),
})

/** What is told of a line of thought after each step. */
interface ThoughtSummary {
  readonly thoughtNumber: number
  readonly totalThoughts: number
  readonly nextThoughtNeeded: boolean
  readonly branches: readonly string[]
  readonly thoughtHistoryLength: number
}

/** One line of thought and its branches. */
export interface ThoughtLog {
  /** Takes one step. Throws `overloaded` where there are more branches than anybody follows. */
  add(thought: z.output<typeof Thought>): ThoughtSummary
}

const branchesMax = 1_000

/** Makes an empty line of thought. The texts are the client's to keep; steps and branches are counted. */
export function createThoughtLog(): ThoughtLog {
  const branches = new Set<string>()
  let steps = 0
  return {
    add({ thoughtNumber, totalThoughts, nextThoughtNeeded, branchFromThought, branchId }) {
      const isBranch = branchFromThought !== undefined && branchId !== undefined
      if (isBranch && branches.size >= branchesMax && !branches.has(branchId)) {
        throw new AppError('overloaded', `There are ${branchesMax} branches already.`)
      }
      if (isBranch) branches.add(branchId)
      steps += 1
      return {
        thoughtNumber,
        totalThoughts: Math.max(totalThoughts, thoughtNumber),
        nextThoughtNeeded,
        branches: [...branches],
        thoughtHistoryLength: steps,
      }
    },
  }
}
