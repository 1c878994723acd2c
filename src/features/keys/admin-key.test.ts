import { expect, test } from 'vitest'
import { adminRequester, openTestKeys } from '../../../test/support/keys.ts'
import { openTestStore } from '../../../test/support/store.ts'
import { Secret } from '../../config/secret.ts'
import { KeyChange } from '../../protocol/api/keys.ts'
import { adminKeyId } from './admin-key.ts'

test('the first start makes an admin key and tells its text once', async () => {
  await using store = await openTestStore()
  await using keys = await openTestKeys(store)
  const text = await keys.ensureAdminKey(undefined)
  expect(text).toMatch(/^ptk_[1-9A-HJ-NP-Za-km-z]{32}$/)
  expect(keys.findByText(text ?? '')?.scopes).toEqual(new Set(['admin']))
  expect(await keys.ensureAdminKey(undefined)).toBeUndefined()
  await using restarted = await openTestKeys(store)
  expect(await restarted.ensureAdminKey(undefined)).toBeUndefined()
  expect(restarted.findByText(text ?? '')?.keyId).toBe(adminKeyId)
})

test('a configured text is the admin key, in place of the one before', async () => {
  await using store = await openTestStore()
  await using keys = await openTestKeys(store)
  const generated = (await keys.ensureAdminKey(undefined)) ?? ''
  expect(await keys.ensureAdminKey(new Secret('correct horse battery'))).toBeUndefined()
  expect(keys.findByText(generated)).toBeUndefined()
  expect(keys.findByText('correct horse battery')?.scopes.has('admin')).toBe(true)
  await keys.ensureAdminKey(new Secret('another long secret'))
  expect(keys.findByText('correct horse battery')).toBeUndefined()
})

test('a configured text brings a disabled admin key back', async () => {
  await using store = await openTestStore()
  await using keys = await openTestKeys(store)
  await keys.ensureAdminKey(new Secret('correct horse battery'))
  const off = KeyChange.parse({ enabled: false, scopes: [] })
  await keys.administration.update(adminRequester, adminKeyId, off)
  await keys.ensureAdminKey(new Secret('correct horse battery'))
  const key = keys.findByText('correct horse battery')
  expect(key?.standing(keys.clock.now())).toBe('usable')
  expect(key?.scopes.has('admin')).toBe(true)
})

test('no admin key is made while any works, and one is when none does', async () => {
  await using store = await openTestStore()
  await using keys = await openTestKeys(store)
  const { key } = await keys.issue({ name: 'mine', scopes: ['admin'] })
  expect(await keys.ensureAdminKey(undefined)).toBeUndefined()
  const off = KeyChange.parse({ enabled: false })
  await keys.administration.update(adminRequester, key.keyId, off)
  expect(await keys.ensureAdminKey(undefined)).toBeDefined()
})

test('the text of another key is not accepted as the admin key', async () => {
  await using store = await openTestStore()
  await using keys = await openTestKeys(store)
  const { text } = await keys.issue({ name: 'plain' })
  await expect(keys.ensureAdminKey(new Secret(text))).rejects.toMatchObject({
    code: 'invalid_config',
  })
})

test('S09 no text of a key is found in the database, and a chosen one shows little of itself', async () => {
  await using store = await openTestStore()
  await using keys = await openTestKeys(store)
  const { text } = await keys.issue({ name: 'hidden' })
  await keys.ensureAdminKey(new Secret('a-sixteen-chars!'))
  const tables = await Promise.all(
    (['keys', 'audit', 'workspaces'] as const).map((table) =>
      store.db.selectFrom(table).selectAll().execute(),
    ),
  )
  const dump = JSON.stringify(tables)
  expect(dump).not.toContain(text)
  expect(dump).not.toContain(text.slice(8, -4))
  expect(dump).not.toContain('sixteen')
  expect(keys.findById(adminKeyId)?.settings).toMatchObject({ prefix: 'a-', last4: '' })
})
