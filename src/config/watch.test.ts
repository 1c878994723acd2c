import { mkdtempDisposable, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test, vi } from 'vitest'
import { watchConfig } from './watch.ts'

test('tells of a change written in place, of one moved into place, and of a file that comes back', async () => {
  await using watched = await watchTemporaryFile()
  const { file, onChange } = watched

  await writeFile(file, 'dataDir: b\n')
  await expect.poll(() => onChange.mock.calls.length).toBe(1)

  await writeFile(`${file}.tmp`, 'dataDir: c\n')
  await rename(`${file}.tmp`, file)
  await expect.poll(() => onChange.mock.calls.length).toBe(2)

  await rm(file)
  await writeFile(file, 'dataDir: d\n')
  await expect.poll(() => onChange.mock.calls.length).toBe(3)
})

test('keeps quiet about other files and about a file saved unchanged', async () => {
  await using watched = await watchTemporaryFile()
  const { file, folder, onChange } = watched
  await writeFile(path.join(folder, 'other.txt'), 'x')
  await writeFile(file, 'dataDir: a\n')

  // A real change comes last, so that its arrival proves that the others were passed over.
  await writeFile(file, 'dataDir: b\n')
  await expect.poll(() => onChange.mock.calls.length).toBe(1)
})

async function watchTemporaryFile() {
  const folder = await mkdtempDisposable(path.join(tmpdir(), 'portico-watch-'))
  const file = path.join(folder.path, 'portico.yaml')
  await writeFile(file, 'dataDir: a\n')
  const onChange = vi.fn<() => void>()
  const stop = watchConfig({ file, onChange, quietMs: 20 })
  return {
    file,
    folder: folder.path,
    onChange,
    async [Symbol.asyncDispose]() {
      stop()
      await folder[Symbol.asyncDispose]()
    },
  }
}
