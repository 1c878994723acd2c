import type { z } from 'zod'
import { AppError } from '../../../lib/errors.ts'
import type { Log } from '../../../lib/log.ts'
import { jsonAnswer, redirectAnswer, sendAnswer } from '../../../net/answer.ts'
import { refuse, toAppError } from '../../../net/error-response.ts'
import type { Exchange } from '../../../net/exchange.ts'
import { ClientGone, readBody } from '../../../net/request-body.ts'
import type { Author } from '../../../net/requester.ts'
import type { Store } from '../../../store/store.ts'
import type { ChangeCatalogue } from '../catalogue/catalogue-change.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import { parseJson } from '../json-body.ts'
import { listProviderRows } from '../administration/provider-writes.ts'
import type { ProviderWrites } from '../administration/provider-writes.ts'
import { writeSettingsItems } from './settings-items.ts'
import { SettingsItems, SettingsKeys, toSettingsItem, toSettingsKey } from './settings-list.ts'
import type { EndpointList, SettingsKey } from './settings-list.ts'
import { createSettingsStreams } from './settings-stream.ts'

/** Whose settings a list id opens. */
interface SettingsOwner {
  readonly workspaceId: string
  /** The key whose text the list id is. */
  readonly keyId: string
}

/** How list ids become workspaces. */
export interface SettingsAccess {
  /** The owner, if `listId` is a working key that may manage; undefined, or a refusal thrown, if not. */
  find(exchange: Exchange, listId: string): SettingsOwner | undefined
  /** Creates a workspace for a list id that nobody has, where that is allowed; else gives undefined. */
  create(exchange: Exchange, listId: string): Promise<SettingsOwner | undefined>
  /** Says whether the owner's key still works and may manage. */
  isAllowed(owner: SettingsOwner): boolean
}

/** The keys of the settings contract, whose text the client chooses. */
export interface SettingsKeyStore {
  /** Newest first. */
  list(workspaceId: string): readonly SettingsKey[]
  /** Makes the key, or changes name and state of the one with that text. */
  put(
    key: { workspaceId: string; text: string; name: string; enabled: boolean; parentId: string },
    author: Author,
  ): Promise<void>
  /** Does nothing where there is no such key. */
  remove(workspaceId: string, text: string, author: Author): Promise<void>
}

/** What the settings routes work on. */
export interface SettingsDeps {
  readonly store: Store
  readonly catalogue: Catalogue
  readonly change: ChangeCatalogue
  readonly writes: ProviderWrites
  readonly keys: SettingsKeyStore
  readonly access: SettingsAccess
  readonly log: Log
}

/** The Doroseek settings contract: `GET` and `POST /{listId}`, as JSON or event stream. Disposing of it ends the streams. */
export interface Settings extends AsyncDisposable {
  /** Answers a request for `/{listId}`; never rejects. */
  handle(exchange: Exchange, listId: string): Promise<void>
  /** Answers `GET /not-found`. */
  handleNotFound(exchange: Exchange): void
  /** To be called after each change of a workspace's keys. */
  keysChanged(workspaceId: string): void
}

interface Visit {
  readonly exchange: Exchange
  readonly listId: string
  readonly owner: SettingsOwner
}

const methods = ['GET', 'HEAD', 'POST']
const bodyLimits = { bytesMax: 1024 * 1024, stallMs: 30_000 }

/** Codes that the contract knows as `Invalid data`. */
const dataErrors: ReadonlySet<string> = new Set([
  'conflict',
  'destination_not_allowed',
  'invalid_request',
  'not_found',
  'reserved_name',
])

/** Creates the settings routes. */
export function createSettings(deps: SettingsDeps): Settings {
  const { access, log } = deps
  const streams = createSettingsStreams({ log })
  const stopListening = deps.catalogue.onChange((workspaceId) => streams.changed(workspaceId))

  async function visit(exchange: Exchange, listId: string): Promise<void> {
    const method = exchange.req.method ?? 'GET'
    if (!methods.includes(method)) throw methodNotAllowed()
    const owner = access.find(exchange, listId) ?? (await access.create(exchange, listId))
    if (owner === undefined) return redirectToNotFound(exchange)
    exchange.note.keyId = owner.keyId
    const visited: Visit = { exchange, listId, owner }
    if (method === 'POST') return post(deps, visited)
    if (method === 'GET' && wantsStream(exchange)) {
      return streams.open(exchange, {
        workspaceId: owner.workspaceId,
        read: () => readList(deps, visited),
        isAllowed: () => access.isAllowed(owner),
      })
    }
    const startedAt = performance.now()
    const list = await readList(deps, visited)
    const loadMs = String(Math.round(performance.now() - startedAt))
    sendAnswer(exchange, 'management', jsonAnswer(200, list, ['x-list-load-time', loadMs]))
  }

  return {
    handle: (exchange, listId) =>
      visit(exchange, listId).catch((error: unknown) => answerError(exchange, error, log)),
    handleNotFound: answerNotFoundPage,
    keysChanged: (workspaceId) => streams.changed(workspaceId),
    [Symbol.asyncDispose]() {
      stopListening()
      return streams[Symbol.asyncDispose]()
    },
  }
}

function methodNotAllowed(): AppError {
  return new AppError('method_not_allowed', 'Settings answer to GET and POST.', {
    headers: { allow: methods.join(', ') },
  })
}

async function readList(deps: SettingsDeps, { listId, owner }: Visit): Promise<EndpointList> {
  const { workspaceId } = owner
  const rows = await listProviderRows(deps.store.db, workspaceId)
  const { providers } = deps.catalogue.workspace(workspaceId)
  return {
    keys: deps.keys.list(workspaceId).map((key) => toSettingsKey(key, listId)),
    items: rows
      .map((row) => toSettingsItem(row, providers.get(row.id)))
      .sort((one, other) => (one.id < other.id ? 1 : -1)),
  }
}

async function post(deps: SettingsDeps, { exchange, owner }: Visit): Promise<void> {
  const { workspaceId, keyId } = owner
  const author = { actor: keyId, requestId: exchange.id, ip: exchange.ip }
  const type = new URLSearchParams(exchange.search).get('type')
  if (type !== 'item' && type !== 'key') {
    return sendAnswer(exchange, 'management', jsonAnswer(400, { error: 'Invalid type' }))
  }
  const body = parseJson((await readBody(exchange.req, bodyLimits)).toString('utf8'))
  if (type === 'item') {
    const items = requireValid(SettingsItems, body)
    await deps.change(workspaceId, author, (trx) =>
      writeSettingsItems(deps, trx, { workspaceId, items }),
    )
  } else {
    for (const { id: text, name, enabled } of requireValid(SettingsKeys, body)) {
      if (name === '') await deps.keys.remove(workspaceId, text, author)
      else await deps.keys.put({ workspaceId, text, name, enabled, parentId: keyId }, author)
    }
  }
  sendAnswer(exchange, 'management', jsonAnswer(200, { ok: true }))
}

function requireValid<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message }))
  throw new AppError('invalid_request', 'The elements are not valid.', { issues })
}

function wantsStream({ req }: Exchange): boolean {
  return req.headers.accept?.includes('text/event-stream') === true
}

/** Errors of data in the words of the contract; all others as anywhere on the management API. */
function answerError(exchange: Exchange, error: unknown, log: Log): void {
  const { id, note, res } = exchange
  if (error instanceof ClientGone) return void res.destroy()
  if (!(error instanceof AppError))
    log.error({ err: error, requestId: id }, 'settings request failed')
  const known = toAppError(error)
  if (!dataErrors.has(known.code)) return refuse(exchange, known)
  note.error = known.code
  const details = known.details.issues ?? [{ path: '', message: known.message }]
  sendAnswer(exchange, 'management', jsonAnswer(400, { error: 'Invalid data', details }))
}

function redirectToNotFound(exchange: Exchange): void {
  // The body of a refused POST is not read, so the connection cannot be used again.
  if (exchange.req.method === 'POST') exchange.res.shouldKeepAlive = false
  sendAnswer(exchange, 'management', redirectAnswer(302, '/not-found'))
}

const notFoundPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Not found · Portico</title>
<h1>Not found</h1>
<p>There are no settings at this address. Ask whoever runs this Portico for the right link.</p>
</html>
`

function answerNotFoundPage(exchange: Exchange): void {
  const type = 'text/html; charset=utf-8'
  sendAnswer(exchange, 'management', { status: 200, type, body: notFoundPage, page: {} })
}
