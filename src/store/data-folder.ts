import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { AppError } from '../lib/errors.ts'

/** Creates the folder, and those above it, for the owner alone. A folder that exists keeps its mode, which is its owner's choice. */
export function createPrivateFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
}

/** Makes sure that the file exists and is readable by its owner alone, whatever the umask. SQLite gives its side files the same mode. */
export function createPrivateFile(file: string): void {
  createPrivateFolder(dirname(file))
  closeSync(openSync(file, 'a', 0o600))
  chmodSync(file, 0o600)
}

/** Removes a database file together with what SQLite keeps beside it. */
function removeDatabase(file: string): void {
  removeSideFiles(file)
  rmSync(file, { force: true })
}

/** Removes the log and the index of it that belong to a database file, and with them what was not yet copied into the file. */
export function removeSideFiles(file: string): void {
  for (const suffix of ['-wal', '-shm', '-journal']) rmSync(file + suffix, { force: true })
}

/** A file under way. Disposing of it before `publish` leaves nothing behind. */
export interface Draft extends Disposable {
  /** Where to write; an empty file for the owner alone. */
  readonly path: string
  /** Puts the draft in the place of the file it is for and makes bytes and name durable. */
  publish(): void
}

/** Begins a file that is going to be there as a whole or not at all. The draft lies beside it, so that a rename suffices. */
export function createDraft(file: string): Draft {
  const path = `${file}.${process.pid}.draft`
  removeDatabase(path)
  createPrivateFile(path)
  return {
    path,
    publish() {
      syncToDisk(path, 'r+')
      renameSync(path, file)
      // Windows cannot open a folder, and needs no fsync of it.
      if (process.platform !== 'win32') syncToDisk(dirname(file), 'r')
    },
    [Symbol.dispose]: () => removeDatabase(path),
  }
}

/** Writes a small file that is there as a whole or not at all, readable by its owner alone. */
export function writePrivateFile(file: string, text: string): void {
  using draft = createDraft(file)
  writeFileSync(draft.path, text)
  draft.publish()
}

function syncToDisk(path: string, flags: 'r' | 'r+'): void {
  const descriptor = openSync(path, flags)
  fsyncSync(descriptor)
  closeSync(descriptor)
}

/**
 * Takes the lock that keeps a second process away, and holds it until disposed of.
 * The kernel drops it when the process dies, however it dies: it is SQLite's own lock on an empty database that nobody
 * writes. Throws `store_locked` when another holds it.
 */
export function holdLock(file: string): Disposable {
  createPrivateFile(file)
  const lock = new DatabaseSync(file)
  try {
    lock.exec('pragma journal_mode = memory; begin exclusive')
  } catch (cause) {
    lock.close()
    throw new AppError('store_locked', `Another process is using ${dirname(file)}.`, { cause })
  }
  return { [Symbol.dispose]: () => lock.close() }
}
