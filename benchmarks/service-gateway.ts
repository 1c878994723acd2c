import { callManagement } from './gateway.ts'
import { stdioMock } from './mcp-peers.ts'
import type { PorticoProcess } from './programs.ts'

/** How many services the bundle has. */
const bundleSize = 50

/** Sessions come by the thousand, all of one key; the bounds are not what is measured. */
export const manySessions = {
  services: { sessionsPerKeyMax: 100_000, sessionsMax: 100_000, instancesMax: 20_000 },
}

/** What a shared program on stdio is created with. */
export const stdioUpstream = {
  kind: 'process',
  command: stdioMock[0],
  args: stdioMock.slice(1),
}

/**
 * Makes the services `legacy`, `modern` and `stdio`, and the bundle `fifty`, of which each member is a path of the mock.
 * Returns a key that may call them.
 */
export async function configureServices(
  portico: PorticoProcess,
  mockPort: number,
): Promise<string> {
  for (const era of ['legacy', 'modern']) {
    const upstream = remoteUpstream(mockPort, '/mcp')
    await callManagement(portico, 'services', { name: era, upstream, era })
  }
  const shared = { isolation: 'shared', era: 'legacy', start: 'always', idleStopMs: null }
  await callManagement(portico, 'services', { name: 'stdio', upstream: stdioUpstream, ...shared })
  const members = await addNumbered(portico, mockPort, bundleSize)
  await callManagement(portico, 'bundles', { name: 'fifty', members })
  return await createKey(portico)
}

/** Makes so many services, each another path of the mock, and returns them as members of a bundle. */
export async function addNumbered(
  portico: PorticoProcess,
  mockPort: number,
  count: number,
): Promise<{ service: string }[]> {
  const members: { service: string }[] = []
  for (let number = 0; number < count; number += 1) {
    const service = `one-${number}`
    const upstream = remoteUpstream(mockPort, `/mcp/${number}`)
    await callManagement(portico, 'services', { name: service, upstream })
    members.push({ service })
  }
  return members
}

/** Issues a key with a limit that is counted and never reached. */
export async function createKey(portico: PorticoProcess): Promise<string> {
  const limits = { requestsPerMinute: 1e9 }
  const fields = { name: 'load', scopes: ['services:use'], ...limits }
  const { key } = await callManagement(portico, 'keys', fields)
  return String(key)
}

function remoteUpstream(port: number, path: string): object {
  const url = `http://127.0.0.1:${port}${path}`
  return { kind: 'remote', url, transport: 'streamable-http', allowPrivate: true }
}
