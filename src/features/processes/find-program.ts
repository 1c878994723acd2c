import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { delimiter, resolve } from 'node:path'
import { promisify } from 'node:util'

const trialTimeoutMs = 5_000

/**
 * The file that `command` means: a path as seen from `folder`, or a name looked up on `path` (as in PATH).
 * Undefined when there is no such file that may be executed.
 */
export async function findProgram(
  command: string,
  { path, folder }: { readonly path: string; readonly folder: string },
): Promise<string | undefined> {
  const folders = command.includes('/') ? [folder] : path.split(delimiter).filter(Boolean)
  for (const candidate of folders.map((place) => resolve(folder, place, command))) {
    if (await isExecutable(candidate)) return candidate
  }
  return undefined
}

/** Runs a command to its end, for five seconds at most. Resolves to what went wrong, undefined when it succeeds. */
export async function tryCommand(
  file: string,
  args: readonly string[],
): Promise<string | undefined> {
  return await promisify(execFile)(file, args, { env: {}, timeout: trialTimeoutMs }).then(
    () => undefined,
    (error: Error) => error.message.trim(),
  )
}

async function isExecutable(file: string): Promise<boolean> {
  const found = await stat(file).catch(() => undefined)
  if (!found?.isFile()) return false
  return await access(file, constants.X_OK).then(
    () => true,
    () => false,
  )
}
