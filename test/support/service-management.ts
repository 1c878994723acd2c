import { tmpdir } from 'node:os'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { openCommandApprovals } from '../../src/features/services/administration/command-approvals.ts'
import type { CommandApprovals } from '../../src/features/services/administration/command-approvals.ts'
import { openServiceDirectory } from '../../src/features/services/administration/service-directory.ts'
import type { ManagedDirectory } from '../../src/features/services/administration/service-directory.ts'
import type { ServiceLogLine } from '../../src/features/services/administration/service-logs.ts'
import { createServicesRoutes } from '../../src/features/services/administration/services-routes.ts'
import type { ServicesRoutes } from '../../src/features/services/administration/services-routes.ts'
import { listKinds } from '../../src/features/services/catalogue/catalogue.ts'
import type { FetchedCatalogue, ListKind } from '../../src/features/services/catalogue/catalogue.ts'
import { openCatalogue } from '../../src/features/services/catalogue/service-catalogue.ts'
import type { ManagedCatalogue } from '../../src/features/services/catalogue/service-catalogue.ts'
import type { ServiceControl } from '../../src/features/services/instances/service-control.ts'
import type { ServiceStatus } from '../../src/features/services/instances/service-status.ts'
import { AppError } from '../../src/lib/errors.ts'
import { hasScope } from '../../src/lib/principal.ts'
import type { Principal, Scope } from '../../src/lib/principal.ts'
import { notFound } from '../../src/net/requester.ts'
import type { Engine } from '../../src/store/migrations.ts'
import { createSecretBox } from '../../src/store/secret-box.ts'
import type { Store } from '../../src/store/store.ts'
import { createTestClock } from './clock.ts'
import type { TestClock } from './clock.ts'
import { createManagementApp } from './management-app.ts'
import { openTestStore } from './store.ts'

/** What runs of the services, as a test says. */
interface TestControl extends ServiceControl {
  /** What was asked for, e.g. `start mcp-…`. */
  readonly calls: string[]
  readonly statuses: Map<string, Partial<ServiceStatus>>
  /** Services that do not come up. */
  readonly broken: Set<string>
}

/** The management of services on a real store. */
export interface ServiceManagement extends AsyncDisposable {
  readonly app: FastifyInstance
  readonly store: Store
  readonly directory: ManagedDirectory
  readonly catalogue: ManagedCatalogue
  readonly approvals: CommandApprovals
  readonly management: ServicesRoutes
  readonly control: TestControl
  readonly lines: Map<string, ServiceLogLine[]>
  readonly clock: TestClock
  /** Keys that no longer work. */
  readonly revoked: Set<string>
  /** Asks as an admin of `default` from now on, unless told otherwise. */
  as(scopes: Scope | readonly Scope[], workspaceId?: string): void
  /** Sends a request; `json` is undefined where the answer is empty or no JSON. */
  ask(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    url: string,
    options?: { readonly body?: object; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<Answered>
}

/** What came back. */
interface Answered {
  readonly status: number
  readonly text: string
  readonly type: string
  // The tests know what they asked for.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly json: any
}

const log = pino({ level: 'silent' })
const secretBox = createSecretBox([new Uint8Array(32).fill(7)])

/** Opens directory and catalogue on a store, as a start of the program does. */
export async function openServiceState(store: Store, clock: TestClock = createTestClock()) {
  const directory = await openServiceDirectory({ store, secretBox, log })
  const catalogue = await openCatalogue({ store, directory, clock, log })
  return { directory, catalogue }
}

/** Opens everything; workspaces are `default` and `other`, each with a key `key_<workspace>`. */
export async function openServiceManagement(engine: Engine = 'sqlite'): Promise<ServiceManagement> {
  await using scope = new AsyncDisposableStack()
  const store = scope.use(await openTestStore(engine))
  await addWorkspace(store)
  const clock = createTestClock()
  const { directory, catalogue } = await openServiceState(store, clock)
  scope.use(catalogue)
  const approvals = await openCommandApprovals({ store, clock })
  const control = createTestControl(directory)
  const lines = new Map<string, ServiceLogLine[]>()
  const followers = new Set<{ id: string; listener: (line: ServiceLogLine) => void }>()
  const revoked = new Set<string>()
  const management = scope.use(
    createServicesRoutes({
      store,
      secretBox,
      clock,
      log,
      directory,
      catalogue,
      approvals,
      control,
      logs: {
        read: async (id, { limit }) => (lines.get(id) ?? []).slice(-limit),
        follow(id, listener) {
          const follower = { id, listener }
          followers.add(follower)
          for (const line of lines.get(id) ?? []) listener(line)
          return () => followers.delete(follower)
        },
        remove: (id) => void lines.delete(id),
      },
      chooseWorkspace,
      mayUse: (_principal, name) => name !== 'forbidden',
      isUsable: ({ keyId }) => !revoked.has(keyId),
      countTokens: (json) => Math.ceil(json.length / 4),
      dataDir: tmpdir(),
    }),
  )
  const asker = { principal: principalWith(['admin'], 'default') }
  const app = await createManagementApp(async (instance) => {
    instance.addHook('onRequest', async (request) => {
      const text = request.headers['x-api-key']
      if (typeof text !== 'string') return
      request.inbound = { ...request.inbound, credentials: [{ carrier: 'x-api-key', text }] }
    })
    await instance.register(management.routes)
  }, asker)
  scope.defer(() => app.close())
  const owned = scope.move()
  return {
    app,
    store,
    directory,
    catalogue,
    approvals,
    management,
    control,
    lines,
    clock,
    revoked,
    as(scopes, workspaceId = 'default') {
      asker.principal = principalWith([scopes].flat(), workspaceId)
    },
    async ask(method, url, { body, headers = {} } = {}) {
      const response = await app.inject({ method, url, headers, ...(body && { payload: body }) })
      const type = String(response.headers['content-type'] ?? '')
      const isJson = type.startsWith('application/json')
      const text = response.body
      return {
        status: response.statusCode,
        text,
        type,
        json: isJson ? JSON.parse(text) : undefined,
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** What a server has, with the given tools; each is a definition whose name counts. */
export function fetchedWith(
  tools: readonly object[],
  others: Partial<Record<ListKind, readonly object[]>> = {},
): FetchedCatalogue {
  const given: Partial<Record<ListKind, readonly object[]>> = { ...others, tools }
  const lists = Object.fromEntries(
    listKinds.map((kind) => [
      kind,
      (given[kind] ?? []).map((item) => ({ name: nameOf(item), json: JSON.stringify(item) })),
    ]),
  ) as unknown as FetchedCatalogue['lists']
  const serverInfo = { name: 'test', version: '1' }
  return {
    hello: {
      era: 'legacy',
      protocolVersion: '2025-11-25',
      capabilities: { tools: {} },
      serverInfo,
      instructions: undefined,
      result: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo },
    },
    lists,
  }
}

function nameOf(item: object): string {
  const { name, uri, uriTemplate } = item as { name?: string; uri?: string; uriTemplate?: string }
  return uri ?? uriTemplate ?? name ?? ''
}

async function addWorkspace(store: Store): Promise<void> {
  const times = { createdAt: 1, updatedAt: 1 }
  await store.db
    .insertInto('workspaces')
    .values({ id: 'other', name: 'Other', ...times })
    .execute()
  for (const workspaceId of ['default', 'other']) {
    await store.db
      .insertInto('keys')
      .values({
        id: `key_${workspaceId}`,
        workspaceId,
        parentId: null,
        name: 'key',
        hash: workspaceId,
        prefix: 'ptk_',
        last4: '',
        sealedText: null,
        scopesJson: '[]',
        enabled: 1,
        expiresAt: null,
        allowedModelsJson: null,
        allowedServicesJson: null,
        requestsPerMinute: null,
        tokensPerMinute: null,
        concurrentRequests: null,
        budgetDayNanoUsd: null,
        budgetWeekNanoUsd: null,
        budgetMonthNanoUsd: null,
        budgetTotalNanoUsd: null,
        allowUnpriced: 0,
        allowQuery: 0,
        defaultProviderId: null,
        cacheResponses: 0,
        logPrompts: 0,
        ...times,
      })
      .execute()
  }
}

function createTestControl(directory: ManagedDirectory): TestControl {
  const calls: string[] = []
  const statuses = new Map<string, Partial<ServiceStatus>>()
  const broken = new Set<string>()
  const run = (verb: string) => async (id: string) => {
    calls.push(`${verb} ${id}`)
    if (directory.service(id) === undefined) throw notFound('service')
    if (broken.has(id)) throw new AppError('service_failed', 'It exited with code 1.')
    if (verb !== 'refresh') statuses.set(id, { state: verb === 'stop' ? 'stopped' : 'running' })
  }
  return {
    calls,
    statuses,
    broken,
    start: run('start'),
    stop: run('stop'),
    restart: run('restart'),
    refresh: run('refresh'),
    status: (id) => ({
      state: 'idle',
      instances: 0,
      callsRunning: 0,
      lastError: null,
      stderr: [],
      restarts: 0,
      health: null,
      ...statuses.get(id),
    }),
    figures: async (id) =>
      statuses.get(id)?.state === 'running'
        ? { pid: 42, cpuPercent: 1.5, memoryBytes: 1024, uptimeMs: 5000, restarts: 0 }
        : undefined,
  }
}

function principalWith(scopes: readonly Scope[], workspaceId: string): Principal {
  return { keyId: `key_${workspaceId}`, workspaceId, scopes: new Set(scopes) }
}

function chooseWorkspace(principal: Principal, asked: string | undefined): string {
  if (asked === undefined || asked === principal.workspaceId) return principal.workspaceId
  const isKnown = asked === 'default' || asked === 'other'
  if (!isKnown || !hasScope(principal, 'admin')) throw notFound('workspace')
  return asked
}
