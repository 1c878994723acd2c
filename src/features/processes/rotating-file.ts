import { appendFile, open, rename, rm, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'

/** A text file that is set aside when it is full; one older file is kept. Whoever calls waits for one call before the next. */
export interface RotatingFile {
  /** Appends whole lines, newlines included. Sets the file aside first where they would make it larger than `bytesMax`. */
  append(text: string, bytesMax: number): Promise<void>
  /** All lines, the last one first. */
  readBackwards(): AsyncGenerator<string>
  remove(): Promise<void>
}

const blockBytes = 64 * 1024
const newline = 0x0a

/** Creates the view of `<path>.jsonl`, readable by its owner alone, and of `<path>.1.jsonl`. Touches nothing yet. */
export function createRotatingFile(path: string): RotatingFile {
  const [current, older] = [`${path}.jsonl`, `${path}.1.jsonl`] as const
  let sizeBytes: number | undefined
  return {
    async append(text, bytesMax) {
      const bytes = Buffer.from(text)
      sizeBytes ??= await sizeOf(current)
      if (sizeBytes > 0 && sizeBytes + bytes.length > bytesMax) {
        await rename(current, older)
        sizeBytes = 0
      }
      await appendFile(current, bytes, { mode: 0o600 }).catch((error: unknown) => {
        // Some of it may be there.
        sizeBytes = undefined
        throw error
      })
      sizeBytes += bytes.length
    },
    async *readBackwards() {
      yield* linesBackwards(current)
      yield* linesBackwards(older)
    },
    async remove() {
      sizeBytes = 0
      await Promise.all([current, older].map((file) => rm(file, { force: true })))
    },
  }
}

async function sizeOf(file: string): Promise<number> {
  const found = await stat(file).catch(() => undefined)
  return found?.size ?? 0
}

async function* linesBackwards(path: string): AsyncGenerator<string> {
  await using file = await open(path, 'r').catch(() => undefined)
  if (!file) return
  let end = (await file.stat()).size
  // The beginning of a block belongs to a line of which the rest lies in the block before.
  let rest = Buffer.alloc(0)
  while (end > 0) {
    const start = Math.max(0, end - blockBytes)
    const bytes = Buffer.concat([await readBlock(file, start, end), rest])
    const firstEnd = start === 0 ? -1 : bytes.indexOf(newline)
    const isWithoutEnd = start > 0 && firstEnd === -1
    rest = isWithoutEnd ? bytes : bytes.subarray(0, firstEnd + 1)
    if (!isWithoutEnd) yield* splitBackwards(bytes.subarray(firstEnd + 1))
    end = start
  }
}

async function readBlock(file: FileHandle, start: number, end: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(end - start), 0, end - start, start)
  return buffer.subarray(0, bytesRead)
}

function* splitBackwards(bytes: Buffer): Generator<string> {
  const lines = bytes.toString().split('\n')
  for (let line = lines.pop(); line !== undefined; line = lines.pop()) if (line !== '') yield line
}
