import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startPortico } from './portico.ts'
import type { Answer, Portico, Settings } from './portico.ts'

/** A Portico as clients of MCP Reverse Proxy use it: management with `X-API-Key`, `/mcp` without any key. */
export interface ReverseProxy extends AsyncDisposable {
  readonly portico: Portico
  /** Folder of the repository in which `server.mjs` is. */
  readonly folder: string
  /** Calls the management API. */
  manage(method: string, route: string, body?: object): Promise<Answer>
  /** Creates a service of the repository with these differences, and returns its id. */
  create(fields?: { proxy?: object; [field: string]: unknown }): Promise<string>
  /** Posts a body below `/mcp`, without a key. */
  post(route: string, body: object | string): Promise<Answer>
}

/** A small server that is written against nothing but Node.js: it echoes, waits, notifies, logs, asks and exits. */
const source = `
import { createInterface } from 'node:readline'
const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n')
const text = (id, value) => send({ id, result: { content: [{ type: 'text', text: value }] } })
let lists = 0
const tools = {
  echo: (id, args) => text(id, JSON.stringify(args)),
  env: (id, { name }) => text(id, String(process.env[name])),
  notify(id) {
    send({ method: 'notifications/message', params: { level: 'info', data: 'notified' } })
    text(id, 'done')
  },
  stderr(id) {
    process.stderr.write('something on stderr\\n')
    text(id, 'done')
  },
  progress(id, _, meta) {
    send({ method: 'notifications/progress', params: { progressToken: meta.progressToken, progress: 1 } })
    text(id, 'done')
  },
  hang() {},
  exit: () => process.exit(7),
  ask(id) {
    send({ id: 'q-' + id, method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } })
    asked.set('q-' + id, (response) => text(id, response.error ? 'refused ' + response.error.code : 'answered'))
  },
  change(id) {
    send({ method: 'notifications/tools/list_changed' })
    text(id, 'done')
  },
}
const asked = new Map()
process.stderr.write('server is up\\n')
console.log('plain line on stdout')
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params, ...rest } = JSON.parse(line)
  if (method === undefined) return asked.get(id)?.(rest)
  if (method === 'initialize') {
    const { protocolVersion } = params
    const capabilities = { tools: { listChanged: true }, logging: {} }
    return send({ id, result: { protocolVersion, capabilities, serverInfo: { name: 'seed', version: '1' } } })
  }
  if (id === undefined) return
  if (method === 'ping' || method === 'logging/setLevel') return send({ id, result: {} })
  if (method === 'tools/list') {
    lists += 1
    const listed = Object.keys(tools).map((name) => ({ name, description: 'List ' + lists, inputSchema: { type: 'object' } }))
    return send({ id, result: { tools: listed } })
  }
  const tool = method === 'tools/call' && tools[params.name]
  if (tool) return tool(id, params.arguments ?? {}, params._meta ?? {})
  send({ id, error: { code: -32601, message: 'Method not found: ' + method } })
})
`

/** Starts it with an empty repository folder but for the server. */
export async function startReverseProxy(settings: Settings = {}): Promise<ReverseProxy> {
  await using scope = new AsyncDisposableStack()
  const folder = scope.use(await mkdtempDisposable(path.join(tmpdir(), 'portico-repository-'))).path
  await writeFile(path.join(folder, 'server.mjs'), source)
  const portico = scope.use(await startPortico({ 'services.anonymous': 'loopback', ...settings }))
  const manage: ReverseProxy['manage'] = (method, route, body) =>
    portico.send(method, `/api${route}`, {
      headers: { 'x-api-key': portico.adminKey },
      ...(body && { body }),
    })
  const owned = scope.move()
  return {
    portico,
    folder,
    manage,
    async create({ proxy, ...fields } = {}) {
      const answer = await manage('POST', '/services', {
        name: 'Seed Tool',
        repository: { path: folder, entryPoint: 'server.mjs' },
        proxy: { path: '/mcp/seed', ...proxy },
        ...fields,
      })
      if (answer.status !== 201) throw new Error(`${answer.status} ${answer.text}`)
      return answer.json<{ id: string }>().id
    },
    post: (route, body) => portico.send('POST', `/mcp${route}`, { body }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** A call of a tool of that server. */
export function callSeed(id: unknown, name: string, args: object = {}): object {
  return { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args } }
}
