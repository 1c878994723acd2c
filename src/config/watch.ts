import { readFileSync, watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'

/** What to watch and whom to tell. */
export interface ConfigWatch {
  readonly file: string
  /** Called after the file's text has changed, once for a burst of events. */
  readonly onChange: () => void
  /** Quiet time after the last event before the file is read, ms. */
  readonly quietMs?: number
}

/**
 * Watches the configuration file and returns the function that stops it.
 * It is the folder that is watched, because editors and orchestrators replace the file instead of writing into it;
 * a file that is gone for a moment is no change. Does not keep the process alive.
 */
export function watchConfig({ file, onChange, quietMs = 100 }: ConfigWatch): () => void {
  const name = path.basename(file)
  const stop = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let known = readFileSync(file, 'utf8')

  const compare = async (): Promise<void> => {
    const text = await readFile(file, 'utf8').catch(() => known)
    if (text === known || stop.signal.aborted) return
    known = text
    onChange()
  }
  const watcher = watch(path.dirname(path.resolve(file)), {
    persistent: false,
    signal: stop.signal,
  })
  watcher.on('change', (_, changed) => {
    // Names that start with two dots are how Kubernetes swaps a mounted ConfigMap.
    if (changed !== null && changed !== name && !String(changed).startsWith('..')) return
    clearTimeout(timer)
    timer = setTimeout(() => void compare(), quietMs).unref()
  })
  // A folder that disappears ends the watching, not the program: SIGHUP still reloads.
  watcher.on('error', () => stop.abort())

  return () => {
    stop.abort()
    clearTimeout(timer)
  }
}
