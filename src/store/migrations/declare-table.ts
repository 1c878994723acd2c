import { sql } from 'kysely'
import type { CreateTableBuilder } from 'kysely'
import type { Engine, MigrationTransaction } from '../migrations.ts'

type Columns = Readonly<Record<string, 'text' | 'text?' | 'integer' | 'integer?' | 'rowId'>>

/** A table that is about to be created. */
type TableDraft = CreateTableBuilder<string, string>

/** Begins the declaration of a table. */
export type TableFactory = (name: string, columns: Columns) => TableDraft

/** Declares tables in the few column types that mean the same on both engines; a question mark allows null. */
export function createTableFactory(trx: MigrationTransaction, engine: Engine): TableFactory {
  const isSqlite = engine === 'sqlite'
  return (name, columns) => {
    let draft: TableDraft = trx.schema.createTable(name)
    for (const [column, declaration] of Object.entries(columns)) {
      if (declaration === 'rowId') {
        draft = isSqlite
          ? draft.addColumn(column, 'integer', (c) => c.primaryKey().autoIncrement())
          : draft.addColumn(column, 'bigserial', (c) => c.primaryKey())
        continue
      }
      const type = declaration.startsWith('text') ? 'text' : isSqlite ? 'integer' : 'bigint'
      draft = draft.addColumn(column, type, (c) => (declaration.endsWith('?') ? c : c.notNull()))
    }
    // Strict tables refuse what PostgreSQL would refuse too: text in a column of numbers.
    return isSqlite ? draft.modifyEnd(sql`strict`) : draft
  }
}

/** Lets the rows of the table `name` go when the row that `column` names in `owner` goes. */
export function ownedBy(
  draft: TableDraft,
  { name, column, owner }: { name: string; column: string; owner: string },
): TableDraft {
  return draft.addForeignKeyConstraint(
    `${name}_${column.replace(/Id$/, '')}_fk`,
    [column],
    owner,
    ['id'],
    (constraint) => constraint.onDelete('cascade'),
  )
}

/** Lets the rows of the table `name` go when their workspace goes. */
export function owned(draft: TableDraft, name: string): TableDraft {
  return ownedBy(draft, { name, column: 'workspaceId', owner: 'workspaces' })
}
