// Run as a child: makes control-plane changes, one after the other, and prints the id of each once it is acknowledged.
import { writeSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { writeAudit } from '../../src/store/audit.ts'
import { openStore } from '../../src/store/store.ts'

const { values } = parseArgs({ options: { dir: { type: 'string' }, prefix: { type: 'string' } } })
const { dir = '', prefix = '' } = values

await using store = await openStore({ dataDir: dir })
for (let number = 0; ; number += 1) {
  const id = `${prefix}-${number}`
  await store.db.transaction().execute(async (trx) => {
    await trx
      .insertInto('aliases')
      .values({
        id,
        workspaceId: 'default',
        name: id,
        targetsJson: '[]',
        enabled: 1,
        createdAt: 1,
        updatedAt: 1,
      })
      .execute()
    await writeAudit(trx, {
      workspaceId: 'default',
      actor: 'system',
      action: 'alias.create',
      targetType: 'alias',
      targetId: id,
      requestId: prefix,
      ip: '127.0.0.1',
    })
  })
  writeSync(1, `${id}\n`)
}
