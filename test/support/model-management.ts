import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { Config } from '../../src/config/schema.ts'
import { createAliasAdministration } from '../../src/features/models/administration/alias-administration.ts'
import { createAliasRoutes } from '../../src/features/models/administration/alias-routes.ts'
import { createAliasWrites } from '../../src/features/models/administration/alias-writes.ts'
import { createCatalogueChange } from '../../src/features/models/catalogue/catalogue-change.ts'
import type { ChangeCatalogue } from '../../src/features/models/catalogue/catalogue-change.ts'
import { openCatalogue } from '../../src/features/models/catalogue/catalogue.ts'
import type { Catalogue } from '../../src/features/models/catalogue/catalogue.ts'
import { createCooldown } from '../../src/features/models/routing/cooldown.ts'
import type { Cooldown } from '../../src/features/models/routing/cooldown.ts'
import { createProviderAdministration } from '../../src/features/models/administration/provider-administration.ts'
import type { ProbeProvider } from '../../src/features/models/administration/provider-check.ts'
import { createProviderRoutes } from '../../src/features/models/administration/provider-routes.ts'
import { createProviderWrites } from '../../src/features/models/administration/provider-writes.ts'
import type { ProviderWrites } from '../../src/features/models/administration/provider-writes.ts'
import { notFound } from '../../src/net/requester.ts'
import { hasScope } from '../../src/lib/principal.ts'
import type { Principal, Scope } from '../../src/lib/principal.ts'
import { createSecretBox } from '../../src/store/secret-box.ts'
import type { SecretBox } from '../../src/store/secret-box.ts'
import type { Store } from '../../src/store/store.ts'
import { createTestClock } from './clock.ts'
import type { TestClock } from './clock.ts'
import { createManagementApp } from './management-app.ts'
import { openTestStore } from './store.ts'

/** The management of providers and aliases on a real store. */
export interface ModelManagement extends AsyncDisposable {
  readonly app: FastifyInstance
  readonly store: Store
  readonly catalogue: Catalogue
  readonly change: ChangeCatalogue
  readonly writes: ProviderWrites
  readonly cooldown: Cooldown
  readonly clock: TestClock
  readonly secretBox: SecretBox
  /** Configuration of the models; change it and call `catalogue.reloadAll`. */
  readonly config: { models: Config['models'] }
  /** Asks as an admin of `default` from now on, unless told otherwise. */
  as(scope: Scope, workspaceId?: string): void
  /** Sends a request; `json` is undefined where the answer is empty. */
  ask(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, body?: object): Promise<Answered>
}

/** What came back. */
interface Answered {
  readonly status: number
  readonly text: string
  // The tests know what they asked for.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly json: any
}

/** Opens everything; workspaces are `default` and `other`. `probe` stands in for providers that are checked. */
export async function openModelManagement(
  probe: ProbeProvider = async () => ({ status: null, error: 'not there', ms: 1 }),
): Promise<ModelManagement> {
  await using scope = new AsyncDisposableStack()
  const store = scope.use(await openTestStore())
  const clock = createTestClock()
  const now = clock.now()
  await store.db
    .insertInto('workspaces')
    .values({ id: 'other', name: 'Other', createdAt: now, updatedAt: now })
    .execute()
  const secretBox = createSecretBox([new Uint8Array(32).fill(7)])
  const config = { models: Config.parse({}).models }
  const log = pino({ level: 'silent' })
  const catalogue = await openCatalogue({ store, secretBox, log }, () => config.models)
  const cooldown = createCooldown({ clock }, () => config.models.cooldown)
  const change = createCatalogueChange({ store, catalogue })
  const writes = createProviderWrites({ secretBox, clock })
  const deps = { store, catalogue, change, cooldown, probe }
  const asker = { principal: principalWith('admin', 'default') }
  const app = await createManagementApp(async (instance) => {
    const providers = createProviderAdministration({ ...deps, writes })
    const aliases = createAliasAdministration({ ...deps, writes: createAliasWrites({ clock }) })
    await instance.register(createProviderRoutes(providers, chooseWorkspace))
    await instance.register(
      createAliasRoutes({
        aliases,
        catalogue,
        cooldown,
        chooseWorkspace,
        findKey: (keyId) => keysForResolving[keyId],
      }),
    )
  }, asker)
  scope.defer(() => app.close())
  const owned = scope.move()
  return {
    app,
    store,
    catalogue,
    change,
    writes,
    cooldown,
    clock,
    secretBox,
    config,
    as(scopeName, workspaceId = 'default') {
      asker.principal = principalWith(scopeName, workspaceId)
    },
    async ask(method, url, body) {
      const response = await app.inject({ method, url, ...(body && { payload: body }) })
      const text = response.body
      return {
        status: response.statusCode,
        text,
        json: text === '' ? undefined : JSON.parse(text),
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Keys that the dry run knows: the asking ones, and one that may call nothing but `allowed`. */
const keysForResolving: Record<
  string,
  { workspaceId: string; allowsModel(name: string): boolean } | undefined
> = {
  key_default: { workspaceId: 'default', allowsModel: () => true },
  key_other: { workspaceId: 'other', allowsModel: () => true },
  key_narrow: { workspaceId: 'default', allowsModel: (name) => name === 'allowed' },
}

function principalWith(scope: Scope, workspaceId: string): Principal {
  return { keyId: `key_${workspaceId}`, workspaceId, scopes: new Set([scope]) }
}

function chooseWorkspace(principal: Principal, asked: string | undefined): string {
  if (asked === undefined || asked === principal.workspaceId) return principal.workspaceId
  const isKnown = asked === 'default' || asked === 'other'
  if (!isKnown || !hasScope(principal, 'admin')) throw notFound('workspace')
  return asked
}
