import type { Clock } from '../../../lib/clock.ts'
import { AppError } from '../../../lib/errors.ts'

/** What a built-in model is asked, whatever the surface. */
export interface BuiltinPrompt {
  readonly model: string
  /** Every text of the request, for counting. */
  readonly texts: readonly string[]
  /** The text that counts as the question: the last one of the user. */
  readonly question: string
  readonly tokensMax: number | undefined
}

/** What a built-in model answers. */
export interface BuiltinCompletion {
  readonly model: string
  /** Unix time, seconds. */
  readonly createdAt: number
  /** The answer, one element a token; joined they are the text. */
  readonly tokens: readonly string[]
  readonly finishReason: 'stop' | 'length'
  readonly inputTokens: number
}

/** Produces the tokens of an answer. */
type BuiltinModel = (prompt: BuiltinPrompt, clock: Clock) => string[]

const models: ReadonlyMap<string, BuiltinModel> = new Map([
  ['portico/echo', (prompt) => splitWords(prompt.question)],
  ['portico/clock', (_prompt, clock) => splitTime(new Date(clock.now()).toISOString())],
] satisfies [string, BuiltinModel][])

/** Names of the built-in models. They need no account and compute nothing clever: for trying out, health checks and tests. */
export const builtinModelNames: readonly string[] = [...models.keys()]

/**
 * Answers a prompt. Tokens are counted the way they are sent: one a word of the input (with the white space behind
 * it), one a piece of the output. Throws `model_not_found`.
 */
export function completeBuiltin(prompt: BuiltinPrompt, clock: Clock): BuiltinCompletion {
  const model = models.get(prompt.model)
  if (model === undefined) {
    throw new AppError('model_not_found', `There is no built-in model ${prompt.model}.`)
  }
  const tokens = model(prompt, clock)
  const tokensMax = prompt.tokensMax ?? Infinity
  return {
    model: prompt.model,
    createdAt: Math.floor(clock.now() / 1000),
    tokens: tokens.slice(0, tokensMax),
    finishReason: tokens.length > tokensMax ? 'length' : 'stop',
    inputTokens: prompt.texts.reduce((sum, text) => sum + splitWords(text).length, 0),
  }
}

/** Words with the white space behind them; white space at the very start belongs to the first. */
function splitWords(text: string): string[] {
  return text.match(/^\s*\S+\s*|\S+\s*/g) ?? []
}

/** `2026-`, `11-`, `22T`, … so that the time streams, too. */
function splitTime(time: string): string[] {
  return time.match(/\d+\D*/g) ?? []
}
