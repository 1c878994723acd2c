import { isJsonObject, type JsonObject } from '../../wire/json.ts'

/**
 * An estimate of how many tokens a text takes in the context of a model. A word counts as one token, a long one as one
 * for every 8 letters; digits go by threes, signs by fours, and of other scripts two characters make a token. For tool
 * definitions in English this is within 10 % of the tokenizer o200k_base, and close enough elsewhere.
 */
export function estimateTokens(text: string): number {
  let tokens = 0
  for (const [run] of text.matchAll(runs)) tokens += tokensOf(run)
  return Math.ceil(tokens)
}

const runs = /[A-Za-z]+|\d+|[^\sA-Za-z\d\u0080-\uffff]+|[\u0080-\uffff]+/g

function tokensOf(run: string): number {
  if (/^[A-Za-z]/.test(run)) return Math.max(1, run.length / 8)
  if (/^\d/.test(run)) return Math.ceil(run.length / 3)
  return run.charCodeAt(0) < 0x80 ? Math.ceil(run.length / 4) : run.length / 2
}

/**
 * What one tool costs in the context of a model, in tokens: its name, description and input schema, which is what clients
 * hand on. `toolJson` is an entry of `tools/list`; what is none costs nothing. Throws SyntaxError for what is no JSON.
 */
export function toolTokens(
  toolJson: string,
  countTokens: (text: string) => number = estimateTokens,
): number {
  const tool: unknown = JSON.parse(toolJson)
  return isJsonObject(tool) ? countTokens(shownToModels(tool)) : 0
}

function shownToModels({ name, description, inputSchema }: JsonObject): string {
  return JSON.stringify({ name, description, input_schema: inputSchema })
}
