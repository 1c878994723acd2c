import type { Caller } from '../caller.ts'

/** What exactly is to be approved. Values of the environment are not part of it, their names are. */
export interface CommandInQuestion {
  readonly command: string
  readonly args: readonly string[]
  /** Sorted. */
  readonly envNames: readonly string[]
  readonly isSandboxed: boolean
}

/** A command that an administrator approved, word for word. */
export interface ApprovedCommand {
  readonly id: string
  /** Whether the sandbox lets it reach the network. */
  readonly network: boolean
}

/** The list of commands that were approved, and of those that wait for it. */
export interface CommandApprovals {
  /** The approval of exactly this command for the workspace of the caller. */
  find(question: CommandInQuestion, caller: Caller): Promise<ApprovedCommand | undefined>
  /** Enters it among those that wait, once however often it is asked, and resolves with the id under which it can be approved. */
  request(question: CommandInQuestion, caller: Caller): Promise<{ readonly id: string }>
}
