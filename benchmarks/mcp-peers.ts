import { ensurePeer } from '../scripts/peers.ts'
import {
  cores,
  freePort,
  nodeCommand,
  pinned,
  poll,
  spawnPinned,
  stop,
} from './measured-process.ts'
import type { MeasuredServer } from './measured-process.ts'
import type { Era } from './mcp-traffic.ts'

/** What stands behind a proxy: the mock at a URL, or the one on stdio, which each proxy starts itself. */
export type McpUpstream =
  | { readonly kind: 'http'; readonly url: string; readonly era: Era }
  | { readonly kind: 'stdio' }

/** The mock on stdio, on the core of the load wherever it is started. */
export const stdioMock: readonly string[] = pinned(cores.load, nodeCommand('mock-mcp-stdio.ts'))

/**
 * Starts supergateway with one child a session, its log off; it serves `/mcp`. Towards an upstream over HTTP that child
 * is a second supergateway, which is the only way it has there, and only of the legacy era.
 */
export async function startSupergateway(upstream: McpUpstream): Promise<MeasuredServer> {
  const script = await ensurePeer('supergateway')
  const program = [process.execPath, script, '--logLevel', 'none']
  const child =
    upstream.kind === 'stdio' ? stdioMock : [...program, '--streamableHttp', upstream.url]
  const port = await freePort()
  const served = ['--outputTransport', 'streamableHttp', '--stateful', '--port', String(port)]
  const health = ['--healthEndpoint', '/health']
  const command = [...program, '--stdio', child.join(' '), ...served, ...health]
  return startPeer('supergateway', { port, command, readyPath: '/health' })
}

/**
 * Starts mcp-proxy with its one upstream connection; it serves `/mcp`. Its command line knows upstreams on stdio only, so
 * for one over HTTP its library is put together in the same way.
 */
export async function startMcpProxy(upstream: McpUpstream): Promise<MeasuredServer> {
  const script = await ensurePeer('mcp-proxy')
  const port = await freePort()
  const served = ['--port', String(port), '--host', '127.0.0.1', '--server', 'stream']
  const command =
    upstream.kind === 'stdio'
      ? [process.execPath, script, ...served, '--', ...stdioMock]
      : nodeCommand('mcp-proxy-library.ts', script, String(port), upstream.era, upstream.url)
  return startPeer('mcp-proxy', { port, command, readyPath: '/ping' })
}

async function startPeer(
  name: string,
  { port, command, readyPath }: { port: number; command: readonly string[]; readyPath: string },
): Promise<MeasuredServer> {
  await using scope = new AsyncDisposableStack()
  const child = spawnPinned(cores.measured, command, {
    stdio: ['pipe', 'ignore', 'inherit'],
    env: { PATH: process.env['PATH'], NODE_ENV: 'production' },
  })
  scope.defer(() => stop(child))
  await poll(`http://127.0.0.1:${port}${readyPath}`, (status) => {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`)
    return status === 200
  })
  const owned = scope.move()
  return { name, port, pid: child.pid ?? 0, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
