const entriesMax = 1_000
const textLengthMax = 128

/**
 * Gives `decide` a memory for short strings that come again and again, such as header names.
 * The memory is bounded, and is emptied when full: a flood of unique strings costs time, never memory, and cannot lock the usual ones out for good.
 * `decide` must always say the same of the same text.
 */
export function remember<Verdict extends NonNullable<unknown> | null>(
  decide: (text: string) => Verdict,
): (text: string) => Verdict {
  const verdicts = new Map<string, Verdict>()
  return (text) => {
    const known = verdicts.get(text)
    if (known !== undefined) return known
    const verdict = decide(text)
    if (text.length > textLengthMax) return verdict
    if (verdicts.size >= entriesMax) verdicts.clear()
    verdicts.set(text, verdict)
    return verdict
  }
}
