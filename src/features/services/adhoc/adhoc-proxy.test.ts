import { mkdtempDisposable, readdir } from 'node:fs/promises'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test, vi } from 'vitest'
import {
  createPlainProcessHost,
  openPlainStdio,
} from '../../../../test/support/plain-process-host.ts'
import type { AppError } from '../../../lib/errors.ts'
import type { Inbound } from '../../../net/exchange.ts'
import { foreignOrigin } from '../../../net/origin-check.ts'
import type { Caller } from '../caller.ts'
import type { ProgramSpec } from '../process-host.ts'
import type { Channel } from '../wire/channel.ts'
import {
  createAdhocProxy,
  type AdhocAuditEntry,
  type AdhocProxyConfig,
  type OpenSse,
} from './adhoc-proxy.ts'
import type { CommandInQuestion } from './command-approvals.ts'

/** Echoes every line, reports one on stderr, and starts a child of its own that would outlive it. */
const echo = [
  "console.error('up')",
  "require('node:child_process').spawn('sleep', ['60'], { stdio: 'ignore' }).unref()",
  "process.stdin.on('data', (data) => process.stdout.write(data))",
].join(';')

test('an approved command talks with the client, and its stderr comes as notifications', async () => {
  const proxy = createProxy({ approve: () => true })
  const channel = await proxy.open(stdio('-e', echo))
  await using client = collect(channel)
  void channel.send(Buffer.from('{"jsonrpc":"2.0","id":1.0,"method":"ping"}'))
  await vi.waitUntil(() => client.texts.length === 2)
  expect(client.texts).toContain('{"jsonrpc":"2.0","id":1.0,"method":"ping"}')
  expect(client.texts).toContain(
    '{"jsonrpc":"2.0","method":"notifications/stderr","params":{"content":"up"}}',
  )
})

test('S51 programs of different keys have no folder in common', async () => {
  const owners = await Promise.all(
    ['key_1', 'key_2', 'key_1'].map(async (keyId) => {
      const proxy = createProxy({ approve: () => true, caller: { keyId } })
      await using _ = await proxy.open(stdio('-e', ''))
      return proxy.specs[0]?.owner
    }),
  )
  expect(owners[0]).toBe(owners[2])
  expect(owners[0]).not.toBe(owners[1])
})

test('closing the channel ends the whole group, frees the slot and is put on record', async () => {
  const proxy = createProxy({ approve: () => true })
  const channel = await proxy.open(stdio('-e', echo), { env: '{"B":"secret","A":"1"}' })
  await channel[Symbol.asyncDispose]()
  expect(await channel.closed).toBeUndefined()
  expect(proxy.audited).toMatchObject([
    {
      transport: 'stdio',
      keyId: 'key_1',
      requestId: 'req_1',
      approvalId: 'cmd_ok',
      envNames: ['A', 'B'],
      isSandboxed: true,
      signal: 'SIGKILL',
    },
  ])
  expect(JSON.stringify(proxy.audited)).not.toContain('secret')
})

test('a program that ends closes the channel', async () => {
  const proxy = createProxy({ approve: () => true })
  const channel = await proxy.open(stdio('-e', 'process.exit(3)'))
  expect(await channel.closed).toBeUndefined()
  await vi.waitUntil(() => proxy.audited.length === 1)
  expect(proxy.audited[0]).toMatchObject({ code: 3 })
})

test('the environment is that of the configuration and then that of the request', async () => {
  const proxy = createProxy({ approve: () => true, config: { adhocEnv: { A: '1', B: '1' } } })
  await using channel = await proxy.open(stdio('-e', echo), { env: '{"B":"2"}' })
  expect(proxy.host.specs[0]).toMatchObject({
    env: { A: '1', B: '2' },
    sandbox: { network: false },
    restart: { auto: false },
  })
  expect(channel).toBeDefined()
})

test('S49 each refusal has its own code, and nothing runs', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'portico-adhoc-'))
  const canary = stdio('-e', `require('fs').writeFileSync('${folder.path}/canary','')`)
  const refusals: [string, ReturnType<typeof createProxy>, Asking?][] = [
    ['command_not_approved', createProxy({})],
    ['command_not_approved', createProxy({ caller: { runsCommands: true } })],
    ['command_not_approved', createProxy({ config: { adhoc: 'admin' } })],
    ['stdio_disabled', createProxy({ config: { adhoc: 'off' }, approve: () => true })],
    ['service_not_allowed', createProxy({ caller: { allowsService: () => false } })],
    ['sandbox_unavailable', createProxy({ canSandbox: false, approve: () => true })],
    ['origin_not_allowed', createProxy({ approve: () => true }), { origin: 'https://evil' }],
    [
      'origin_not_allowed',
      createProxy({ approve: () => true, config: { adhoc: 'off' } }),
      { 'sec-fetch-site': 'cross-site' },
    ],
    ['origin_not_allowed', createProxy({}), { 'sec-fetch-site': 'same-site' }],
  ]
  for (const [code, proxy, headers] of refusals) {
    await expect(proxy.open(canary, {}, headers)).rejects.toMatchObject({ code })
    expect(proxy.host.specs).toEqual([])
  }
  expect(await readdir(folder.path)).toEqual([])
})

test('S50 an approval covers the very words and not others', async () => {
  const proxy = createProxy({
    approve: ({ args }) => JSON.stringify(args) === '["-y","pkg@1.0.0"]',
  })
  for (const args of [`-c 'touch canary'`, '-y pkg@1.0.0 --node-options=--import=x', '-y pkg']) {
    const query = new URLSearchParams({ transport: 'stdio', command: 'npx', args })
    await expect(proxy.open(query)).rejects.toMatchObject({ code: 'command_not_approved' })
  }
})

test('who asks for an unknown command learns how to have it approved', async () => {
  const proxy = createProxy({})
  const refusal = proxy.open(stdio('-e', echo), { env: '{"A":"1"}' })
  await expect(refusal).rejects.toMatchObject({
    details: { hint: expect.stringContaining('/api/services/commands/cmd_waits/approve') },
  })
  expect(proxy.requested).toEqual([
    { command: process.execPath, args: ['-e', echo], envNames: ['A'], isSandboxed: true },
  ])
})

test('with the scope and the setting, a command runs that nobody approved', async () => {
  const proxy = createProxy({ caller: { runsCommands: true }, config: { adhoc: 'admin' } })
  await using channel = await proxy.open(stdio('-e', echo))
  expect(channel).toBeDefined()
  expect(proxy.requested).toEqual([])
})

test('without bubblewrap a command runs where the configuration says so', async () => {
  const config = { allowUnsandboxed: true }
  const proxy = createProxy({ canSandbox: false, approve: () => true, config })
  await using channel = await proxy.open(stdio('-e', echo))
  expect([channel !== undefined, proxy.host.specs[0]?.sandbox]).toEqual([true, null])
})

test('a connection ends when its time is over', async () => {
  const proxy = createProxy({ approve: () => true, config: { maxDurationMs: 50 } })
  const channel = await proxy.open(stdio('-e', echo))
  expect(await channel.closed).toBeUndefined()
  expect(proxy.audited).toHaveLength(1)
})

test('a key has four connections and gets back what it closes', async () => {
  const proxy = createProxy({ approve: () => true })
  await using scope = new AsyncDisposableStack()
  const [first] = await Promise.all(
    [1, 2, 3, 4].map(async () => scope.use(await proxy.open(stdio('-e', echo)))),
  )
  await expect(proxy.open(stdio('-e', echo))).rejects.toMatchObject({ code: 'overloaded' })
  await first?.[Symbol.asyncDispose]()
  scope.use(await proxy.open(stdio('-e', echo)))
})

test('a program that cannot start takes no slot', async () => {
  const proxy = createProxy({ approve: () => true })
  const query = new URLSearchParams({ transport: 'stdio', command: '/nowhere/at-all' })
  for (let time = 0; time < 5; time += 1) {
    await expect(proxy.open(query)).rejects.toMatchObject({ code: 'service_failed' })
  }
})

test('S57 a URL in the request leads to public addresses alone, unless the key runs commands', async () => {
  const proxy = createProxy({})
  for (const url of [
    'http://127.0.0.1/sse',
    'http://[::ffff:a9fe:a9fe]/',
    'http://a.example:22/',
  ]) {
    await expect(proxy.open(sse(url))).rejects.toMatchObject({ code: 'destination_not_allowed' })
  }
  await expect(proxy.open(sse('gopher://a.example/'))).rejects.toMatchObject({
    code: 'invalid_request',
  })
  expect(proxy.opened).toEqual([])
  const trusted = createProxy({ caller: { runsCommands: true } })
  await using channel = await trusted.open(sse('http://127.0.0.1:9/sse'))
  expect([channel !== undefined, trusted.opened[0]?.publicOnly]).toEqual([true, false])
})

test('the client’s credential goes to the server it named, a key of ours never', async () => {
  const proxy = createProxy({})
  await using theirs = await proxy.open(
    sse('https://a.example/sse'),
    {},
    {
      authorization: 'Bearer upstream-token',
    },
  )
  await using ours = await proxy.open(
    sse('https://a.example/sse'),
    {},
    {
      authorization: 'Bearer ptk_ours',
    },
  )
  expect([theirs, ours]).toHaveLength(2)
  expect(proxy.opened).toMatchObject([
    { headers: { authorization: 'Bearer upstream-token' }, publicOnly: true },
    { headers: {} },
  ])
})

test('a transport that is not known is refused in the words of the original', async () => {
  const query = new URLSearchParams({ transport: 'ws' })
  await expect(createProxy({}).open(query)).rejects.toThrow('Invalid transport type specified')
})

type Asking = IncomingHttpHeaders

interface Setting {
  readonly approve?: (question: CommandInQuestion) => boolean
  readonly config?: Partial<AdhocProxyConfig>
  readonly caller?: Partial<Caller>
  readonly canSandbox?: boolean
}

function createProxy({ approve = () => false, config, caller, canSandbox = true }: Setting) {
  const plain = createPlainProcessHost({ canSandbox })
  const specs: ProgramSpec[] = []
  const host = {
    ...plain,
    supervise(spec: ProgramSpec) {
      specs.push(spec)
      return plain.supervise(spec)
    },
  }
  const audited: AdhocAuditEntry[] = []
  const requested: CommandInQuestion[] = []
  const opened: Parameters<OpenSse>[1][] = []
  const proxy = createAdhocProxy(
    {
      host,
      approvals: {
        find: async (question) =>
          approve(question) ? { id: 'cmd_ok', network: false } : undefined,
        request: async (question) => {
          requested.push(question)
          return { id: 'cmd_waits' }
        },
      },
      refuseOrigin: ({ headers }) => (headers.origin === undefined ? undefined : foreignOrigin()),
      isOwnKey: (text) => text.startsWith('ptk_'),
      openStdio: openPlainStdio,
      openSse: async (_url, options) => {
        opened.push(options)
        return createIdleChannel()
      },
      audit: (entry) => audited.push(entry),
    },
    () => ({
      adhoc: 'approved',
      allowUnsandboxed: false,
      adhocEnv: {},
      maxDurationMs: 0,
      messageBytesMax: 1024 * 1024,
      ...config,
    }),
  )
  const open = (query: URLSearchParams, more: Record<string, string> = {}, headers = {}) => {
    const whole = new URLSearchParams([...query, ...Object.entries(more)])
    return proxy.open(whole, inboundWith(headers), { ...someCaller, ...caller })
  }
  return { host, specs, audited, requested, opened, open }
}

const someCaller: Caller = {
  keyId: 'key_1',
  workspaceId: 'default',
  allowsService: () => true,
  allowsTool: () => true,
  runsCommands: false,
  isUsable: () => true,
}

function inboundWith(headers: IncomingHttpHeaders): Inbound {
  return {
    req: { headers } as IncomingMessage,
    id: 'req_1',
    path: '/mcp/proxy/sse',
    search: '',
    credentials: [],
    ip: '127.0.0.1',
    startedAt: 0,
    note: { plane: 'data' },
  }
}

function stdio(...args: string[]): URLSearchParams {
  const quoted = args.map((arg) => `'${arg.replaceAll("'", String.raw`'\''`)}'`).join(' ')
  return new URLSearchParams({ transport: 'stdio', command: process.execPath, args: quoted })
}

function sse(url: string): URLSearchParams {
  return new URLSearchParams({ transport: 'sse', url })
}

function collect(channel: Channel) {
  const texts: string[] = []
  channel.receive((bytes) => texts.push(bytes.toString()))
  return { texts, [Symbol.asyncDispose]: () => channel[Symbol.asyncDispose]() }
}

function createIdleChannel(): Channel {
  const { promise: closed, resolve } = Promise.withResolvers<AppError | undefined>()
  const send = () => undefined
  return { send, receive: send, closed, [Symbol.asyncDispose]: async () => resolve(undefined) }
}
