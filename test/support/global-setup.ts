import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestProject } from 'vitest/node'
import { ensureProgram, startPostgres } from '../../scripts/services.ts'
import type { RunningService } from '../../scripts/services.ts'

/**
 * Runs once around all tests. Test files run in processes of their own, so what they share is asked for over loopback:
 * the first request for PostgreSQL starts it, and a run without such tests pays nothing.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const hasPostgres = ensureProgram('postgres') !== undefined
  if (!hasPostgres) console.warn('PostgreSQL is not installed: what needs it is LEFT OUT.')

  let postgres: Promise<RunningService> | undefined
  const broker = createServer((_req, res) => {
    postgres ??= startPostgres()
    postgres.then(
      ({ url }) => res.end(url),
      (error: unknown) => res.writeHead(500).end(String(error)),
    )
  }).listen(0, '127.0.0.1')
  await once(broker, 'listening')
  const { port } = broker.address() as AddressInfo
  project.provide('postgresBroker', hasPostgres ? `http://127.0.0.1:${port}/` : undefined)

  return async () => {
    broker.close()
    const service = await postgres?.catch(() => undefined)
    await service?.[Symbol.asyncDispose]()
  }
}

declare module 'vitest' {
  interface ProvidedContext {
    /** URL that answers with the URL of a running PostgreSQL; undefined where it is not installed. */
    postgresBroker: string | undefined
  }
}
