import type { Engine, MigrationTransaction } from '../migrations.ts'
import { createTableFactory, owned, ownedBy } from './declare-table.ts'
import type { TableFactory } from './declare-table.ts'

/** Creates the tables of MCP services, bundles, their catalogues and the approvals of commands. */
export async function createServiceTables(
  trx: MigrationTransaction,
  engine: Engine,
): Promise<void> {
  const table = createTableFactory(trx, engine)
  await createServices(table)
  await createWhatServicesHave(table)
  await createApprovals(table)
  await trx.schema
    .createIndex('serviceUserValues_keyId')
    .on('serviceUserValues')
    .columns(['keyId'])
    .execute()
}

async function createServices(table: TableFactory): Promise<void> {
  const services = table('services', {
    id: 'text',
    workspaceId: 'text',
    name: 'text',
    settingsJson: 'text',
    sealedValues: 'text?',
    path: 'text?',
    originJson: 'text?',
    desiredState: 'text',
    createdAt: 'integer',
    updatedAt: 'integer',
  })
  await owned(services, 'services')
    .addPrimaryKeyConstraint('services_pk', ['id'])
    .addUniqueConstraint('services_name_unique', ['workspaceId', 'name'])
    .addUniqueConstraint('services_path_unique', ['workspaceId', 'path'])
    .execute()
  const bundles = table('bundles', {
    id: 'text',
    workspaceId: 'text',
    name: 'text',
    settingsJson: 'text',
    createdAt: 'integer',
    updatedAt: 'integer',
  })
  await owned(bundles, 'bundles')
    .addPrimaryKeyConstraint('bundles_pk', ['id'])
    .addUniqueConstraint('bundles_name_unique', ['workspaceId', 'name'])
    .execute()
}

async function createWhatServicesHave(table: TableFactory): Promise<void> {
  const catalogues = table('serviceCatalogues', {
    serviceId: 'text',
    revision: 'text',
    helloJson: 'text',
    listsJson: 'text',
    approvedJson: 'text?',
    hash: 'text',
    fetchedAt: 'integer',
  })
  const ofService = { column: 'serviceId', owner: 'services' }
  await ownedBy(catalogues, { name: 'serviceCatalogues', ...ofService })
    .addPrimaryKeyConstraint('serviceCatalogues_pk', ['serviceId'])
    .execute()
  const values = table('serviceUserValues', {
    serviceId: 'text',
    keyId: 'text',
    name: 'text',
    sealed: 'text',
    updatedAt: 'integer',
  })
  const ofKey = { name: 'serviceUserValues', column: 'keyId', owner: 'keys' }
  await ownedBy(ownedBy(values, { name: 'serviceUserValues', ...ofService }), ofKey)
    .addPrimaryKeyConstraint('serviceUserValues_pk', ['serviceId', 'keyId', 'name'])
    .execute()
}

async function createApprovals(table: TableFactory): Promise<void> {
  const approvals = table('commandApprovals', {
    id: 'text',
    workspaceId: 'text',
    hash: 'text',
    argvJson: 'text',
    envNamesJson: 'text',
    cwd: 'text?',
    sandbox: 'integer',
    state: 'text',
    createdAt: 'integer',
    decidedAt: 'integer?',
    decidedBy: 'text?',
  })
  await owned(approvals, 'commandApprovals')
    .addPrimaryKeyConstraint('commandApprovals_pk', ['id'])
    .addUniqueConstraint('commandApprovals_hash_unique', ['workspaceId', 'hash'])
    .execute()
}
