/** The middle of several rounds, and how far they lie apart. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** Summarises the rounds. Throws when there are none, or one is not a number: a harness that measured nothing must not pass. */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0 || !values.every(Number.isFinite)) {
    throw new Error(`Not a measurement: [${values.join(', ')}]`)
  }
  const sorted = values.toSorted((a, b) => a - b)
  const half = Math.floor(sorted.length / 2)
  const upper = sorted[half] ?? Number.NaN
  const lower = sorted[sorted.length - 1 - half] ?? Number.NaN
  return {
    median: (lower + upper) / 2,
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
  }
}

/** One line of the result: a measured figure and what it must be. */
export interface Figure {
  readonly name: string
  readonly unit: string
  readonly spread: Spread
  /** The largest value of the median that passes; `undefined` for what is only told. */
  readonly limit?: number
  /** The smallest value of the median that passes. */
  readonly least?: number
  /** What a reader needs to judge the figure, such as the absolute values behind a ratio. */
  readonly detail?: string
}

/** Says whether the figure is within its bounds. */
export function isMet({ limit = Infinity, least = -Infinity, spread }: Figure): boolean {
  return spread.median <= limit && spread.median >= least
}

/** The figure as a line of a table. */
export function formatFigure(figure: Figure): string {
  const { median, min, max } = figure.spread
  const bounds = [
    figure.limit === undefined ? [] : [`≤ ${figure.limit}`],
    figure.least === undefined ? [] : [`≥ ${figure.least}`],
  ].flat()
  const verdict = bounds.length === 0 ? '' : isMet(figure) ? 'ok' : 'MISSED'
  return [
    figure.name.padEnd(50),
    `${formatNumber(median)} ${figure.unit}`.padEnd(12),
    `${formatNumber(min)}–${formatNumber(max)}`.padEnd(17),
    bounds.join(' ').padEnd(8),
    verdict.padEnd(7),
    figure.detail ?? '',
  ].join(' ')
}

function formatNumber(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2)
}
