import { describe, expect, test } from 'vitest'
import { engines, openTestStore } from '../../test/support/store.ts'
import { bulkInsert } from './bulk-insert.ts'

const columns = {
  at: 'number',
  workspaceId: 'text',
  keyId: 'text',
  requestId: 'text',
  model: 'text',
  request: 'text',
  response: 'text',
} as const

describe.each(engines)('a bulk insert on %s', (engine) => {
  test('writes every row as it is, in order', async () => {
    await using store = await openTestStore(engine)
    const rows = [
      row({ at: 2 ** 50 + 1 }),
      row({ request: `'";--$1?` }),
      row({ response: 'é\n🜁\\u' }),
    ]
    await store.batch([bulkInsert('promptLog', columns, rows)])
    const written = await store.db.selectFrom('promptLog').selectAll().orderBy('id').execute()
    expect(written.map(({ id: _id, ...rest }) => rest)).toEqual(rows)
  })

  test('writes null for what a row does not have', async () => {
    await using store = await openTestStore(engine)
    const audit = { ...auditRow, beforeJson: undefined }
    const types = { ...auditColumns, beforeJson: 'text' } as const
    await store.batch([bulkInsert('audit', types, [audit])])
    const written = await store.db.selectFrom('audit').select(['actor', 'beforeJson']).execute()
    expect(written).toEqual([{ actor: 'system', beforeJson: null }])
  })

  test('takes part in the transaction of its batch', async () => {
    await using store = await openTestStore(engine)
    const taken = { id: 'default', name: 'x', createdAt: 1, updatedAt: 1 }
    const batch = store.batch([
      bulkInsert('promptLog', columns, [row({})]),
      store.db.insertInto('workspaces').values(taken),
    ])
    await expect(batch).rejects.toMatchObject({ code: 'conflict' })
    expect(await store.db.selectFrom('promptLog').selectAll().execute()).toEqual([])
  })

  test('refuses all rows for one that cannot be stored, as the rows’ own fault', async () => {
    await using store = await openTestStore(engine)
    const rows = [row({}), row({ at: 1.5 })]
    const batch = store.batch([bulkInsert('promptLog', columns, rows)])
    await expect(batch).rejects.toMatchObject({ code: 'invalid_request' })
    expect(await store.db.selectFrom('promptLog').selectAll().execute()).toEqual([])
  })
})

function row(given: Partial<typeof plainRow>): typeof plainRow {
  return { ...plainRow, ...given }
}

const plainRow = {
  at: 1,
  workspaceId: 'default',
  keyId: 'k',
  requestId: 'r',
  model: 'm',
  request: '{}',
  response: '{}',
}

const auditRow = {
  at: 1,
  workspaceId: 'default',
  actor: 'system',
  action: 'key.create',
  targetType: 'key',
  targetId: 'k',
  requestId: 'r',
  ip: '127.0.0.1',
}

const auditColumns = {
  at: 'number',
  workspaceId: 'text',
  actor: 'text',
  action: 'text',
  targetType: 'text',
  targetId: 'text',
  requestId: 'text',
  ip: 'text',
} as const
