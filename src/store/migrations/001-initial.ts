import { sql } from 'kysely'
import type { Engine, MigrationTransaction } from '../migrations.ts'
import { createTableFactory, owned } from './declare-table.ts'
import type { TableFactory } from './declare-table.ts'

/** Creates every table of the first version, and the workspace `default`. */
export async function createInitialTables(
  trx: MigrationTransaction,
  engine: Engine,
): Promise<void> {
  const table = createTableFactory(trx, engine)
  await createOwnership(table)
  await createRouting(table)
  await createLedger(table)
  await createRecords(table)
  await createIndexes(trx)
  const now = Date.now()
  await sql`insert into workspaces ("id", "name", "createdAt", "updatedAt")
    values ('default', 'default', ${now}, ${now})`.execute(trx)
}

async function createOwnership(table: TableFactory): Promise<void> {
  await table('workspaces', {
    id: 'text',
    name: 'text',
    createdAt: 'integer',
    updatedAt: 'integer',
  })
    .addPrimaryKeyConstraint('workspaces_pk', ['id'])
    .execute()
  await owned(
    table('keys', {
      id: 'text',
      workspaceId: 'text',
      parentId: 'text?',
      name: 'text',
      hash: 'text',
      prefix: 'text',
      last4: 'text',
      sealedText: 'text?',
      scopesJson: 'text',
      enabled: 'integer',
      expiresAt: 'integer?',
      allowedModelsJson: 'text?',
      allowedServicesJson: 'text?',
      requestsPerMinute: 'integer?',
      tokensPerMinute: 'integer?',
      concurrentRequests: 'integer?',
      budgetDayNanoUsd: 'integer?',
      budgetWeekNanoUsd: 'integer?',
      budgetMonthNanoUsd: 'integer?',
      budgetTotalNanoUsd: 'integer?',
      allowUnpriced: 'integer',
      allowQuery: 'integer',
      defaultProviderId: 'text?',
      cacheResponses: 'integer',
      logPrompts: 'integer',
      createdAt: 'integer',
      updatedAt: 'integer',
    }),
    'keys',
  )
    .addPrimaryKeyConstraint('keys_pk', ['id'])
    .addUniqueConstraint('keys_hash_unique', ['hash'])
    .execute()
}

async function createRouting(table: TableFactory): Promise<void> {
  await owned(
    table('providers', {
      id: 'text',
      workspaceId: 'text',
      name: 'text',
      kind: 'text',
      baseUrl: 'text',
      sealedCredentials: 'text?',
      headersJson: 'text',
      modelsJson: 'text',
      enabled: 'integer',
      weight: 'integer',
      priority: 'integer',
      pricesJson: 'text',
      timeoutsJson: 'text',
      optionsJson: 'text',
      allowPrivate: 'integer',
      createdAt: 'integer',
      updatedAt: 'integer',
    }),
    'providers',
  )
    .addPrimaryKeyConstraint('providers_pk', ['id'])
    .addUniqueConstraint('providers_name_unique', ['workspaceId', 'name'])
    .execute()
  await owned(
    table('aliases', {
      id: 'text',
      workspaceId: 'text',
      name: 'text',
      targetsJson: 'text',
      enabled: 'integer',
      createdAt: 'integer',
      updatedAt: 'integer',
    }),
    'aliases',
  )
    .addPrimaryKeyConstraint('aliases_pk', ['id'])
    .addUniqueConstraint('aliases_name_unique', ['workspaceId', 'name'])
    .execute()
  await owned(
    table('upstreamObjects', {
      workspaceId: 'text',
      objectId: 'text',
      providerId: 'text',
      createdAt: 'integer',
    }),
    'upstreamObjects',
  )
    .addPrimaryKeyConstraint('upstreamObjects_pk', ['workspaceId', 'objectId'])
    .execute()
}

/** What was used outlives whoever used it, so these tables refer to nothing. */
async function createLedger(table: TableFactory): Promise<void> {
  await table('usage', {
    id: 'rowId',
    at: 'integer',
    requestId: 'text',
    workspaceId: 'text',
    keyId: 'text',
    route: 'text',
    modelAsked: 'text?',
    providerId: 'text?',
    modelUsed: 'text?',
    status: 'integer',
    inputTokens: 'integer?',
    outputTokens: 'integer?',
    cachedTokens: 'integer?',
    costNanoUsd: 'integer?',
    usageSource: 'text',
    abortedBy: 'text?',
    attempts: 'integer',
    firstByteMs: 'integer?',
    latencyMs: 'integer',
  }).execute()
  await table('usageDaily', {
    day: 'text',
    workspaceId: 'text',
    keyId: 'text',
    model: 'text',
    providerId: 'text',
    requests: 'integer',
    errors: 'integer',
    inputTokens: 'integer',
    outputTokens: 'integer',
    cachedTokens: 'integer',
    costNanoUsd: 'integer',
  })
    .addPrimaryKeyConstraint('usageDaily_pk', [
      'keyId',
      'day',
      'model',
      'providerId',
      'workspaceId',
    ])
    .execute()
}

async function createRecords(table: TableFactory): Promise<void> {
  await table('audit', {
    id: 'rowId',
    at: 'integer',
    workspaceId: 'text',
    actor: 'text',
    action: 'text',
    targetType: 'text',
    targetId: 'text',
    beforeJson: 'text?',
    afterJson: 'text?',
    requestId: 'text',
    ip: 'text',
  }).execute()
  await table('promptLog', {
    id: 'rowId',
    at: 'integer',
    workspaceId: 'text',
    keyId: 'text',
    requestId: 'text',
    model: 'text',
    request: 'text',
    response: 'text',
  }).execute()
}

async function createIndexes(trx: MigrationTransaction): Promise<void> {
  const indexed = {
    usage: [['workspaceId', 'at'], ['keyId', 'at'], ['at']],
    usageDaily: [['workspaceId', 'day']],
    audit: [['workspaceId', 'at']],
    promptLog: [['workspaceId', 'at'], ['at']],
    keys: [['workspaceId']],
  }
  for (const [table, indexes] of Object.entries(indexed)) {
    for (const columns of indexes) {
      const name = `${table}_${columns.join('_')}`
      await trx.schema.createIndex(name).on(table).columns(columns).execute()
    }
  }
}
