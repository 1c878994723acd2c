import { canonicalJson } from './canonical-json.ts'

/** Larger pairs are shown as all old lines and then all new ones: comparing takes their product in time. */
const comparisonsMax = 1_000_000

/**
 * The lines in which two definitions differ, JSON text, null for none: each begins with `- `, `+ ` or two spaces. What
 * is not visible in them is written out as `\u{…}`, because it is where changes hide.
 */
export function diffDefinitions(before: string | null, after: string | null): string[] {
  const removed = before === null ? [] : toLines(before)
  const added = after === null ? [] : toLines(after)
  const head = countCommon(removed, added)
  const [oldRest, newRest] = [removed.slice(head), added.slice(head)]
  const tail = countCommon(oldRest.toReversed(), newRest.toReversed())
  const oldMiddle = oldRest.slice(0, oldRest.length - tail)
  const newMiddle = newRest.slice(0, newRest.length - tail)
  return [
    ...removed.slice(0, head).map((line) => `  ${line}`),
    ...diffLines(oldMiddle, newMiddle),
    ...oldRest.slice(oldRest.length - tail).map((line) => `  ${line}`),
  ]
}

/** Broken into lines at its structure, not by parsing, so that repeated members and long numbers stay visible. */
function toLines(json: string): string[] {
  const lines: string[] = []
  let indent = 0
  let line = ''
  const flush = (): void => {
    if (line !== '') lines.push('  '.repeat(Math.min(indent, 40)) + makeVisible(line))
    line = ''
  }
  for (const [token] of canonicalJson(json).matchAll(
    /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^{}[\],:"]+/gs,
  )) {
    if (token === '}' || token === ']') {
      flush()
      indent -= 1
    }
    line += token === ':' ? ': ' : token
    if (token !== '{' && token !== '[' && token !== ',') continue
    flush()
    if (token !== ',') indent += 1
  }
  flush()
  return lines
}

function makeVisible(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  )
}

function countCommon(one: readonly string[], other: readonly string[]): number {
  const differsAt = one.findIndex((line, at) => line !== other[at])
  return differsAt === -1 ? Math.min(one.length, other.length) : differsAt
}

function diffLines(removed: readonly string[], added: readonly string[]): string[] {
  if (removed.length * added.length > comparisonsMax) {
    return [...removed.map((line) => `- ${line}`), ...added.map((line) => `+ ${line}`)]
  }
  const common = commonLengths(removed, added)
  const lines: string[] = []
  let [from, to] = [0, 0]
  while (from < removed.length || to < added.length) {
    if (from < removed.length && removed[from] === added[to]) {
      lines.push(`  ${removed[from]}`)
      from += 1
      to += 1
    } else if (
      lengthAt(common, from + 1, to) >= lengthAt(common, from, to + 1) &&
      from < removed.length
    ) {
      lines.push(`- ${removed[from]}`)
      from += 1
    } else if (to < added.length) {
      lines.push(`+ ${added[to]}`)
      to += 1
    } else {
      lines.push(`- ${removed[from]}`)
      from += 1
    }
  }
  return lines
}

/** Lengths of the longest common subsequence of what follows each pair of lines. */
function commonLengths(removed: readonly string[], added: readonly string[]): Uint32Array[] {
  const rows: Uint32Array[] = Array.from(
    { length: removed.length + 1 },
    () => new Uint32Array(added.length + 1),
  )
  for (let from = removed.length - 1; from >= 0; from -= 1) {
    const row = rows[from] as Uint32Array
    for (let to = added.length - 1; to >= 0; to -= 1) {
      row[to] =
        removed[from] === added[to]
          ? lengthAt(rows, from + 1, to + 1) + 1
          : Math.max(lengthAt(rows, from + 1, to), lengthAt(rows, from, to + 1))
    }
  }
  return rows
}

function lengthAt(rows: readonly Uint32Array[], from: number, to: number): number {
  return rows[from]?.[to] ?? 0
}
