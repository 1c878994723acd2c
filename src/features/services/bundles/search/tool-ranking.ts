import { isJsonObject, objectAt, textAt } from '../../wire/json.ts'

/** A tool with how well it fits a query; the score means nothing beyond the order. */
export interface RankedTool {
  /** Index in what was ranked. */
  readonly index: number
  readonly score: number
}

/** How much a word counts, by where it stands. */
const weights = { name: 3, title: 2, parameters: 1.5, description: 1 } as const

// The usual constants of BM25: how soon repetition stops to count, and how much length does.
const saturation = 1.2
const lengthShare = 0.75

/**
 * Ranks tools, parsed entries of `tools/list`, by Okapi BM25 over name, title, description and names of parameters.
 * Those that have no word of the query are left out; a query without words leaves all in their order. Of two that fit
 * equally well, the first comes first.
 */
export function rankTools(tools: readonly unknown[], query: string): readonly RankedTool[] {
  const words = new Set(wordsOf(query))
  if (words.size === 0) return tools.map((_tool, index) => ({ index, score: 0 }))
  const documents = tools.map(countWords)
  const averageLength = sum(documents.map(({ length }) => length)) / Math.max(1, documents.length)
  const rarities = new Map([...words].map((word) => [word, rarityOf(word, documents)]))
  return documents
    .map(({ counts, length }, index) => {
      const damping = saturation * (1 - lengthShare + (lengthShare * length) / (averageLength || 1))
      const parts = [...rarities].map(([word, rarity]) => {
        const count = counts.get(word) ?? 0
        return (rarity * count * (saturation + 1)) / (count + damping)
      })
      return { index, score: Number(sum(parts).toFixed(4)) }
    })
    .filter(({ score }) => score > 0)
    .toSorted((one, other) => other.score - one.score || one.index - other.index)
}

interface CountedWords {
  /** Weighted. */
  readonly counts: ReadonlyMap<string, number>
  readonly length: number
}

function countWords(tool: unknown): CountedWords {
  const counts = new Map<string, number>()
  let length = 0
  const texts = {
    name: textAt(tool, 'name'),
    title: textAt(tool, 'title') ?? textAt(objectAt(tool, 'annotations'), 'title'),
    parameters: isJsonObject(tool)
      ? Object.keys(objectAt(objectAt(tool, 'inputSchema'), 'properties')).join(' ')
      : '',
    description: textAt(tool, 'description'),
  }
  for (const [field, weight] of Object.entries(weights)) {
    for (const word of wordsOf(texts[field as keyof typeof weights] ?? '')) {
      counts.set(word, (counts.get(word) ?? 0) + weight)
      length += weight
    }
  }
  return { counts, length }
}

function rarityOf(word: string, documents: readonly CountedWords[]): number {
  const having = documents.filter(({ counts }) => counts.has(word)).length
  return Math.log(1 + (documents.length - having + 0.5) / (having + 0.5))
}

/** The words of a text: `readFile`, `read_file` and `Read files` have the same. */
export function wordsOf(text: string): readonly string[] {
  const parted = text
    .replaceAll(/(?<=[\p{Ll}\p{N}])(?=\p{Lu})/gu, ' ')
    .replaceAll(/(?<=\p{Lu})(?=\p{Lu}\p{Ll})/gu, ' ')
  return (parted.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).map(singular)
}

/** Enough of a stemmer to find `file` by `files`; anything better needs to know the language. */
function singular(word: string): string {
  const isPlural = word.length > 3 && word.endsWith('s') && !word.endsWith('ss')
  return isPlural ? word.slice(0, -1) : word
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}
