import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { loadConfig } from '../../src/config/load.ts'
import { startServer } from '../../src/server/server.ts'
import { startUpstream } from './upstream.ts'
import type { Upstream } from './upstream.ts'

/** Settings that differ from the defaults, by dotted path, e.g. `models.attemptsMax`. */
export type Settings = Readonly<Record<string, unknown>>

/** An answer, read to its end and not decoded in any way. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly bytes: Buffer
  /** The body as text. */
  readonly text: string
  /** The body parsed as JSON. */
  json<Body = Record<string, unknown>>(): Body
}

/** What a request carries beside its path. */
interface Sent {
  readonly key?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Objects are sent as JSON; text and bytes as they are. */
  readonly body?: object | string | Buffer
  readonly signal?: AbortSignal
}

/** A whole Portico within this process, on free ports and with a data folder of its own. */
export interface Portico extends AsyncDisposable {
  /** The public listener, without a slash at its end. */
  readonly url: string
  readonly port: number
  readonly dashboardUrl: string
  readonly adminKey: string
  /** Everything that it has logged so far. */
  readonly logged: string
  /** Sends a request to the public listener. */
  send(method: string, path: string, sent?: Sent): Promise<Answer>
  /** Calls the management API with the admin key and returns the body. Throws unless the status is 2xx. */
  api<Body = Record<string, unknown>>(method: string, path: string, body?: object): Promise<Body>
  /** Issues a key with `models:use`, and whatever else is named. */
  createKey(fields?: object): Promise<{ id: string; key: string }>
  /** Makes the upstream a provider of the model `m`, unless the fields say otherwise. */
  addProvider(upstream: Upstream, fields?: object): Promise<{ id: string }>
}

/** A Portico with one upstream behind it as the provider `acme`, and a key that may use it. */
export interface Gateway extends AsyncDisposable {
  readonly portico: Portico
  readonly upstream: Upstream
  readonly key: string
  /** Base URL as OpenAI's clients take it. */
  readonly baseURL: string
  /** Posts JSON to a path below `/v1` with the key. */
  post(path: string, body: object | string | Buffer, sent?: Sent): Promise<Answer>
}

/** The credential with which Portico speaks to the upstreams of the tests. */
export const providerCredential = 'sk-provider-canary-7Hq2'

/** Starts Portico as `portico serve` does, but for its ports, its data folder and where its log goes. */
export async function startPortico(settings: Settings = {}): Promise<Portico> {
  await using scope = new AsyncDisposableStack()
  const dataDir = await mkdtemp(join(tmpdir(), 'portico-e2e-'))
  scope.defer(() => rm(dataDir, { recursive: true, force: true }))
  const adminKey = `ptk-admin-canary-${crypto.randomUUID()}`
  const own = { 'server.port': 0, 'server.dashboardPort': 0, dataDir, adminKey }
  const overrides = Object.entries({ ...own, ...settings }).map(([path, value]) => ({
    name: path,
    path,
    value,
  }))
  const lines: string[] = []
  const server = scope.use(
    await startServer({
      config: loadConfig({ env: {}, overrides }),
      logTo: { write: (line) => void lines.push(line) },
    }),
  )
  const dispatcher = new Agent({ pipelining: 0 })
  scope.defer(() => dispatcher.destroy())
  const url = server.publicUrl.replace(/\/$/, '')

  const send: Portico['send'] = async (method, path, sent = {}) => {
    const { body } = sent
    const isJson = body !== undefined && typeof body === 'object' && !Buffer.isBuffer(body)
    const answer = await request(url + path, {
      dispatcher,
      method: method as 'GET',
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(sent.key === undefined ? {} : { authorization: `Bearer ${sent.key}` }),
        ...sent.headers,
      },
      body: isJson ? JSON.stringify(body) : ((body as string | Buffer | undefined) ?? null),
      signal: sent.signal ?? null,
    })
    const bytes = Buffer.from(await answer.body.arrayBuffer())
    return {
      status: answer.statusCode,
      headers: answer.headers,
      bytes,
      get text() {
        return bytes.toString()
      },
      json: <Body>() => JSON.parse(bytes.toString()) as Body,
    }
  }
  const api = async <Body>(method: string, path: string, body?: object) => {
    const answer = await send(method, path, { key: adminKey, ...(body && { body }) })
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
    return (answer.bytes.length === 0 ? {} : answer.json()) as Body
  }
  const owned = scope.move()
  return {
    url,
    port: Number(new URL(url).port),
    dashboardUrl: server.dashboardUrl,
    adminKey,
    get logged() {
      return lines.join('')
    },
    send,
    api,
    createKey: (fields = {}) =>
      api('POST', '/api/keys', { name: 'test', scopes: ['models:use'], ...fields }),
    addProvider: (upstream, fields = {}) =>
      api('POST', '/api/providers', {
        name: 'acme',
        kind: 'openai',
        baseUrl: `${upstream.url}/v1`,
        apiKey: providerCredential,
        models: ['m'],
        allowPrivate: true,
        ...fields,
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Starts Portico and an upstream; `provider` and `key` are fields for the management API. */
export async function startGateway(
  options: { settings?: Settings; provider?: object; key?: object } = {},
): Promise<Gateway> {
  await using scope = new AsyncDisposableStack()
  const upstream = scope.use(await startUpstream())
  const portico = scope.use(await startPortico(options.settings))
  await portico.addProvider(upstream, options.provider)
  const { key } = await portico.createKey(options.key)
  const owned = scope.move()
  return {
    portico,
    upstream,
    key,
    baseURL: `${portico.url}/v1`,
    post: (path, body, sent = {}) => portico.send('POST', `/v1/${path}`, { key, body, ...sent }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
