import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createLocation } from '../../test/support/store.ts'
import { Secret } from '../config/secret.ts'
import { loadMasterKeys } from './master-keys.ts'
import { createSecretBox } from './secret-box.ts'

const configured = new Secret('a configured key of forty characters, yes')

test('without a configured key one is made, kept for its owner alone, and found again', async () => {
  await using location = await createLocation('sqlite')
  const dataDir = join(location.dataDir, 'new')
  const sealed = createSecretBox(loadMasterKeys({ dataDir })).seal('a', 'x/y/z')
  expect(statSync(join(dataDir, 'encryption.key')).mode & 0o777).toBe(0o600)
  expect(createSecretBox(loadMasterKeys({ dataDir })).open(sealed, 'x/y/z')).toBe('a')
})

test('a configured key leaves no file behind', async () => {
  await using location = await createLocation('sqlite')
  expect(loadMasterKeys({ ...location, encryptionKey: configured })).toHaveLength(1)
  expect(() => readFileSync(join(location.dataDir, 'encryption.key'))).toThrow(/ENOENT/)
})

test('a key configured later seals, and what the file had sealed still opens', async () => {
  await using location = await createLocation('sqlite')
  const sealed = createSecretBox(loadMasterKeys(location)).seal('a', 'x/y/z')
  const box = createSecretBox(loadMasterKeys({ ...location, encryptionKey: configured }))
  expect(box.open(sealed, 'x/y/z')).toBe('a')
  expect(box.isStale(sealed)).toBe(true)
})

test('previous keys open', async () => {
  await using location = await createLocation('sqlite')
  const sealed = createSecretBox(loadMasterKeys({ ...location, encryptionKey: configured })).seal(
    'a',
    'x',
  )
  const next = new Secret('another configured key of some characters')
  const keys = loadMasterKeys({ ...location, encryptionKey: next, previous: [configured] })
  expect(createSecretBox(keys).open(sealed, 'x')).toBe('a')
})

test('a key file that lost its content stops the start instead of being replaced', async () => {
  await using location = await createLocation('sqlite')
  writeFileSync(join(location.dataDir, 'encryption.key'), '')
  expect(() => loadMasterKeys(location)).toThrow(
    expect.objectContaining({ code: 'invalid_config' }),
  )
})

test('a short key is refused without being repeated', async () => {
  await using location = await createLocation('sqlite')
  const load = () => loadMasterKeys({ ...location, encryptionKey: new Secret('hunter2') })
  expect(load).toThrow(expect.objectContaining({ code: 'invalid_config' }))
  expect(load).not.toThrow(/hunter2/)
})
