import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Secret } from '../config/secret.ts'
import { AppError } from '../lib/errors.ts'
import { createPrivateFolder, writePrivateFile } from './data-folder.ts'
import { masterKeyBytesMin } from './secret-box.ts'

/** Where the master keys come from. */
export interface MasterKeySource {
  /** The configured key, any text of at least 32 bytes; when absent, `<dataDir>/encryption.key` is read or created. */
  readonly encryptionKey?: Secret | undefined
  /** Keys of earlier times, which only open. */
  readonly previous?: readonly Secret[] | undefined
  readonly dataDir: string
}

/**
 * The master keys for `createSecretBox`, the sealing one first. A key file that exists still opens when a key is configured.
 * Throws `invalid_config` for a key that is too short or a key file that is empty: a new one in its place would make
 * every stored secret unreadable.
 */
export function loadMasterKeys(source: MasterKeySource): Uint8Array[] {
  const file = join(source.dataDir, 'encryption.key')
  const configured =
    source.encryptionKey && toKey(source.encryptionKey.reveal(), 'The encryption key')
  if (!configured && !existsSync(file)) createKeyFile(file, source.dataDir)
  const stored = existsSync(file) ? toKey(readFileSync(file, 'utf8').trim(), file) : undefined
  const previous = (source.previous ?? []).map((key) =>
    toKey(key.reveal(), 'A previous encryption key'),
  )
  return [configured, stored, ...previous].filter((key) => key !== undefined)
}

function createKeyFile(file: string, dataDir: string): void {
  createPrivateFolder(dataDir)
  writePrivateFile(file, `${randomBytes(masterKeyBytesMin).toString('base64url')}\n`)
}

function toKey(text: string, name: string): Uint8Array {
  const key = Buffer.from(text, 'utf8')
  if (key.byteLength >= masterKeyBytesMin) return key
  throw new AppError('invalid_config', `${name} is shorter than ${masterKeyBytesMin} bytes.`)
}
