import { commandVariables, processEnvironment } from '../config/environment.ts'
import { runBridge } from './connect/stdio-bridge.ts'

/** How to reach the gateway. */
export interface ConnectOptions {
  readonly url: string
  readonly key?: string
}

/**
 * Joins standard input and output to a service or bundle of a running gateway, for clients that can only start programs.
 * `target` is its name, or the whole URL of an endpoint. Returns the exit code once the client has closed the input, or
 * the process has been told to end.
 */
export async function connect(target: string, { url, key }: ConnectOptions): Promise<number> {
  const ending = new AbortController()
  const end = (): void => ending.abort()
  process.once('SIGTERM', end).once('SIGINT', end)
  await runBridge({
    url: endpointUrl(target, url),
    key: key ?? (processEnvironment()[commandVariables.key]?.trim() || undefined),
    input: process.stdin,
    output: process.stdout,
    // Standard output belongs to the protocol.
    log: (text) => console.error(`portico: ${text}`),
    signal: ending.signal,
  })
  process.off('SIGTERM', end).off('SIGINT', end)
  return 0
}

function endpointUrl(target: string, url: string): string {
  if (/^https?:\/\//i.test(target)) return target
  return `${url.replace(/\/+$/, '')}/mcp/${encodeURIComponent(target)}`
}
