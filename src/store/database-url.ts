import { join, resolve } from 'node:path'
import { AppError } from '../lib/errors.ts'

/** Which database the store opens. */
export type DatabaseTarget =
  | { readonly engine: 'sqlite'; readonly file: string }
  | { readonly engine: 'postgres'; readonly url: string }

const postgresUrl = /^postgres(ql)?:\/\//i
// `sqlite:a.db`, `sqlite://a.db` and `sqlite:///srv/a.db` are all in use; the slash that begins an absolute path stays.
const sqliteUrl = /^(?:sqlite|file):(?:\/\/)?(?<path>[^?:]+)/i
// A drive letter is no scheme: those have two letters or more.
const plainFile = /^(?![a-z][a-z0-9+.-]+:)(?<path>.+\.(?:db|sqlite))$/i

/**
 * Reads a database URL: `postgres://` and `postgresql://` name a server; `sqlite:`, `file:` and a plain path ending in
 * `.db` or `.sqlite` name a file, relative to the working directory. Without one the file is `<dataDir>/portico.db`.
 * Throws `invalid_config` for anything else; the message never repeats the URL, which may hold a password.
 */
export function parseDatabaseUrl(url: string | undefined, dataDir: string): DatabaseTarget {
  if (url === undefined) return { engine: 'sqlite', file: resolve(join(dataDir, 'portico.db')) }
  if (postgresUrl.test(url)) return { engine: 'postgres', url }
  const path = (sqliteUrl.exec(url) ?? plainFile.exec(url))?.groups?.['path']
  if (path !== undefined) return { engine: 'sqlite', file: resolve(path) }
  throw new AppError('invalid_config', 'The database URL is of a kind that is not known here.', {
    hint: 'Use postgres://user:password@host/database, sqlite:path, or a path that ends in .db or .sqlite.',
  })
}
