import type { FastifyPluginAsync } from 'fastify'
import type { Clock } from '../../../lib/clock.ts'
import type { Log } from '../../../lib/log.ts'
import type { SecretBox } from '../../../store/secret-box.ts'
import type { Store } from '../../../store/store.ts'
import { createAliasAdministration } from './alias-administration.ts'
import { createAliasRoutes } from './alias-routes.ts'
import { createAliasWrites } from './alias-writes.ts'
import { createCatalogueChange } from '../catalogue/catalogue-change.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { Cooldown } from '../routing/cooldown.ts'
import type { PromptLog } from '../prompts/prompt-log.ts'
import { createPromptLogRoutes } from '../prompts/prompt-log-routes.ts'
import { createProviderAdministration } from './provider-administration.ts'
import { createProviderProbe } from './provider-probe.ts'
import { createProviderRoutes } from './provider-routes.ts'
import { createProviderWrites } from './provider-writes.ts'
import type { ResolvingKey } from './resolve-report.ts'
import { createSettings } from '../settings/settings-routes.ts'
import type { Settings, SettingsAccess, SettingsKeyStore } from '../settings/settings-routes.ts'
import type { ChooseWorkspace } from './choose-workspace.ts'
import type { Upstreams } from '../routing/upstreams.ts'

/** What the administration of this feature needs of the keys. */
export interface AdministrationKeys {
  readonly chooseWorkspace: ChooseWorkspace
  /** A key by its id; undefined where there is none. */
  readonly findKey: (keyId: string) => ResolvingKey | undefined
  readonly settingsKeys: SettingsKeyStore
  readonly settingsAccess: SettingsAccess
}

/** What the administration works on. */
export interface AdministrationDependencies extends AdministrationKeys {
  readonly store: Store
  readonly secretBox: SecretBox
  readonly clock: Clock
  readonly log: Log
  readonly catalogue: Catalogue
  readonly cooldown: Cooldown
  readonly upstreams: Upstreams
  readonly promptLog: PromptLog
}

/** Everything that changes or shows providers and aliases: the management routes, and the settings contract beside them. */
export interface Administration {
  readonly routes: FastifyPluginAsync
  /** Owned by the caller. */
  readonly settings: Settings
}

/** Creates the administration of this feature. */
export function createAdministration(deps: AdministrationDependencies): Administration {
  const { store, secretBox, clock, log, catalogue, cooldown, upstreams, chooseWorkspace } = deps
  const change = createCatalogueChange({ store, catalogue })
  const writes = createProviderWrites({ secretBox, clock })
  const probe = createProviderProbe({ upstreams, clock })
  const shared = { store, catalogue, cooldown, change }
  const providers = createProviderAdministration({ ...shared, writes, probe })
  const aliases = createAliasAdministration({ ...shared, writes: createAliasWrites({ clock }) })
  return {
    settings: createSettings({
      store,
      catalogue,
      change,
      writes,
      log,
      keys: deps.settingsKeys,
      access: deps.settingsAccess,
    }),
    async routes(app) {
      await app.register(createProviderRoutes(providers, chooseWorkspace))
      await app.register(createAliasRoutes({ ...deps, aliases }))
      await app.register(createPromptLogRoutes(deps))
    },
  }
}
