import { z } from 'zod'
import type { BuiltinUpstream } from '../../../protocol/api/services.ts'
import { createThoughtLog, Thought } from './thought-log.ts'

/** Name of a server that is part of Portico. */
export type BuiltinServer = z.output<typeof BuiltinUpstream>['server']

/** The one tool of a built-in server; it has the name of the server. */
export interface BuiltinTool {
  readonly description: string
  /** Schema of the arguments; anything else is answered with an error result. */
  readonly input: z.ZodObject
  /** Gives the text that the tool answers. Throws what the caller is told as an error result. */
  run(args: unknown): string
}

/** Makes the tool of a server, with state of its own. */
export function createBuiltinTool(server: BuiltinServer): BuiltinTool {
  return server === 'think' ? createThinkTool() : createSequentialThinkingTool()
}

const Think = z.object({ thought: z.string().describe('The thought.') })

function createThinkTool(): BuiltinTool {
  return {
    description:
      'Notes a thought without doing anything else. Use it to reason in between: before a decision that has several conditions, or after a tool answered something unexpected.',
    input: Think,
    run: (args) => Think.parse(args).thought,
  }
}

function createSequentialThinkingTool(): BuiltinTool {
  const log = createThoughtLog()
  return {
    description: `Works on a problem in numbered thoughts, one call each.
Begin with an estimate of how many thoughts it takes, and change it whenever it proves wrong.
A thought may reconsider an earlier one (isRevision, revisesThought) or leave from it in another direction (branchFromThought, branchId).
Set nextThoughtNeeded to false only with the thought that holds the answer.`,
    input: Thought,
    run: (args) => JSON.stringify(log.add(Thought.parse(args)), null, 2),
  }
}
