import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'

/**
 * Many rows for one table, written faster than queries can be built: they travel as one text, and one prepared statement
 * takes them in. Where thousands of rows a second are written behind streams, a parameter a value costs several times as
 * much to build, to hand to another thread and to collect as garbage.
 */
export interface BulkInsert {
  readonly table: string
  readonly columns: readonly BulkColumn[]
  /** JSON: an array of rows, each an array of values in the order of `columns`. */
  readonly rowsJson: string
}

/** `number` stands for whole numbers. */
export interface BulkColumn {
  readonly name: string
  readonly type: 'text' | 'number'
}

/** Gathers rows for an insert. */
export function bulkInsert<Row extends object>(
  table: string,
  columns: Readonly<Record<keyof Row & string, BulkColumn['type']>>,
  rows: readonly Row[],
): BulkInsert {
  const names = Object.keys(columns) as (keyof Row & string)[]
  return {
    table,
    columns: names.map((name) => ({ name, type: columns[name] })),
    rowsJson: JSON.stringify(rows.map((row) => names.map((name) => row[name] ?? null))),
  }
}

/** The statement for one row, with a parameter a column. */
export function rowStatement({ table, columns }: BulkInsert): string {
  const names = columns.map(({ name }) => `"${name}"`).join(', ')
  return `insert into "${table}" (${names}) values (${columns.map(() => '?').join(', ')})`
}

/** The statement for all rows at once, which PostgreSQL takes apart itself. */
export function wholeStatement({ table, columns, rowsJson }: BulkInsert): RawBuilder<unknown> {
  const names = columns.map(({ name }) => sql.ref(name))
  const values = columns.map(
    ({ type }, at) =>
      sql`(value ->> ${sql.lit(at)})::${sql.raw(type === 'number' ? 'bigint' : 'text')}`,
  )
  return sql`insert into ${sql.table(table)} (${sql.join(names)}) select ${sql.join(values)} from json_array_elements(${rowsJson}::json)`
}
