import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { access, chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { fromBufferPromise, type Entry, type ZipFile } from 'yauzl'
import { AppError } from '../../../lib/errors.ts'

const MiB = 1024 ** 2

/** What an archive may hold. */
export interface ArchiveLimits {
  readonly entriesMax: number
  /** Of everything unpacked, bytes. */
  readonly unpackedBytesMax: number
  /** Unpacked to packed, of archives that unpack to more than a few MiB. */
  readonly ratioMax: number
}

/** Enough for a server with its packages. */
export const archiveLimits: ArchiveLimits = {
  entriesMax: 30_000,
  unpackedBytesMax: 512 * MiB,
  ratioMax: 100,
}

const ratioFreeBytes = 8 * MiB
const manifestBytesMax = 1 * MiB
const manifestName = 'manifest.json'

/** A bundle in memory: a zip archive with a manifest, checked as far as its directory tells. */
export interface Bundle {
  readonly manifest: string
  /** Hex digest of the archive, shortened. */
  readonly hash: string
  /**
   * Unpacks it to `folder`, and says whether that was needed: a folder that is there holds the same already. Files are
   * this user's alone. Throws `invalid_request` for what is no good archive after all; then nothing is left.
   */
  unpack(folder: string): Promise<'unpacked' | 'there'>
}

/**
 * Opens a bundle. Throws `invalid_request` for what is no zip archive, has no manifest, leads out of its folder, has
 * links, encrypted or special entries, and `request_too_large` for one beyond the limits.
 */
export async function openBundle(
  bytes: Buffer,
  limits: ArchiveLimits = archiveLimits,
): Promise<Bundle> {
  const entries = await readEntries(bytes, limits)
  const manifestEntry = entries.find(({ fileName }) => fileName === manifestName)
  if (manifestEntry === undefined) throw unfit(`The bundle has no ${manifestName}.`)
  if (manifestEntry.uncompressedSize > manifestBytesMax) throw tooLarge(`Its ${manifestName}`)
  const zip = await openZip(bytes)
  const manifest = await readEntry(zip, manifestEntry)
  return {
    manifest,
    hash: createHash('sha256').update(bytes).digest('hex').slice(0, 16),
    async unpack(folder) {
      if (await isThere(folder)) return 'there'
      const parent = path.dirname(folder)
      await mkdir(parent, { recursive: true, mode: 0o700 })
      // A folder that has its name is complete, whatever happens on the way.
      const scratch = await mkdtemp(path.join(parent, '.unpacking-'))
      await using undo = new AsyncDisposableStack()
      undo.defer(() => rm(scratch, { recursive: true, force: true }))
      await writeEntries(zip, entries, scratch)
      await rename(scratch, folder).catch(async (error: unknown) => {
        if (!(await isThere(folder))) throw error
      })
      return 'unpacked'
    },
  }
}

async function openZip(bytes: Buffer): Promise<ZipFile> {
  const options = { lazyEntries: true, autoClose: false, strictFileNames: true }
  return fromBufferPromise(bytes, options).catch(unreadable)
}

async function readEntries(bytes: Buffer, limits: ArchiveLimits): Promise<readonly Entry[]> {
  const zip = await openZip(bytes)
  if (zip.entryCount > limits.entriesMax) throw tooLarge('The number of its entries')
  const entries = await Array.fromAsync(zip.eachEntry()).catch(unreadable)
  for (const entry of entries) requireHarmless(entry)
  const names = new Set(entries.map(({ fileName }) => fileName.toLowerCase()))
  if (names.size !== entries.length) throw unfit('The bundle has a name twice.')
  const packed = sum(entries.map(({ compressedSize }) => compressedSize))
  const unpacked = sum(entries.map(({ uncompressedSize }) => uncompressedSize))
  // Entries that share their bytes are how a small archive becomes a large one.
  if (packed > bytes.length) throw unfit('The entries of the bundle overlap.')
  if (unpacked > limits.unpackedBytesMax) throw tooLarge('What it unpacks to')
  if (unpacked > ratioFreeBytes && unpacked > packed * limits.ratioMax) {
    throw tooLarge('What it unpacks to, for its size,')
  }
  return entries
}

const typeMask = 0o170_000
const plainTypes: ReadonlySet<number> = new Set([0, 0o100_000, 0o040_000])

function modeOf({ externalFileAttributes }: Entry): number {
  return externalFileAttributes >>> 16
}

function requireHarmless(entry: Entry): void {
  const { fileName } = entry
  const parts = fileName.replace(/\/$/, '').split('/')
  const isOdd = parts.some((part) => part === '' || part === '.' || part === '..')
  if (isOdd || /[\0\\]/.test(fileName) || path.isAbsolute(fileName)) {
    throw unfit('The bundle has a name that leads out of it.')
  }
  if (!plainTypes.has(modeOf(entry) & typeMask)) {
    throw unfit('The bundle has a link or a special file.')
  }
  if (entry.isEncrypted()) throw unfit('The bundle is encrypted.')
}

async function readEntry(zip: ZipFile, entry: Entry): Promise<string> {
  const stream = await zip.openReadStreamPromise(entry).catch(unreadable)
  return (await buffer(stream).catch(unreadable)).toString()
}

async function writeEntries(
  zip: ZipFile,
  entries: readonly Entry[],
  folder: string,
): Promise<void> {
  for (const entry of entries) {
    const target = path.join(folder, entry.fileName)
    const isFolder = entry.fileName.endsWith('/')
    await mkdir(isFolder ? target : path.dirname(target), { recursive: true, mode: 0o700 }).catch(
      asClash,
    )
    if (!isFolder) await writeEntry(zip, entry, target)
  }
}

async function writeEntry(zip: ZipFile, entry: Entry, target: string): Promise<void> {
  const isExecutable = (modeOf(entry) & 0o111) !== 0
  const stream = await zip.openReadStreamPromise(entry).catch(unreadable)
  const file = createWriteStream(target, { flags: 'wx', mode: isExecutable ? 0o700 : 0o600 })
  await pipeline(stream, file).catch(asClash)
}

/** Makes a file of an unpacked bundle executable: archives made on other systems do not say that it is. */
export async function makeExecutable(file: string): Promise<void> {
  await chmod(file, 0o700).catch(() => {
    throw unfit('The bundle lacks the program that its manifest names.')
  })
}

async function isThere(folder: string): Promise<boolean> {
  return access(folder).then(
    () => true,
    () => false,
  )
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

/** A file where another entry wants a folder, or bytes that do not inflate; what the disk refuses is no fault of the bundle. */
function asClash(error: unknown): never {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const isOfDisk = /^E(?!EXIST|NOTDIR|ISDIR|NAMETOOLONG)/.test(code)
  if (isOfDisk) throw error
  return unreadable(error)
}

function unreadable(cause: unknown): never {
  throw new AppError('invalid_request', 'The bundle is not a readable zip archive.', { cause })
}

function unfit(message: string): AppError {
  return new AppError('invalid_request', message)
}

function tooLarge(what: string): AppError {
  return new AppError('request_too_large', `${what} is more than a bundle may have.`)
}
