import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import type {} from './global-setup.ts'

/** Whether tests on PostgreSQL can run. */
export const hasPostgres = inject('postgresBroker') !== undefined

/** Creates an empty PostgreSQL database on the server of this test run, starting that if need be. Disposing of it drops it. */
export async function createPostgresDatabase(): Promise<
  AsyncDisposable & { readonly url: string }
> {
  const server = await findPostgres()
  const name = `test_${randomBytes(6).toString('hex')}`
  await administer(server, `create database ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return {
    url: url.href,
    [Symbol.asyncDispose]: () => administer(server, `drop database ${name} with (force)`),
  }
}

async function findPostgres(): Promise<string> {
  const broker = inject('postgresBroker')
  if (broker === undefined) throw new Error('PostgreSQL is not installed')
  const response = await fetch(broker)
  const text = await response.text()
  if (!response.ok) throw new Error(text)
  return text
}

async function administer(server: string, statement: string): Promise<void> {
  await using scope = new AsyncDisposableStack()
  const client = scope.adopt(new pg.Client({ connectionString: server }), (open) => open.end())
  await client.connect()
  await client.query(statement)
}
