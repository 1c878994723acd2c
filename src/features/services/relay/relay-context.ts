import type { Log } from '../../../lib/log.ts'
import type { Instance } from '../instances/instance.ts'
import type { ServiceRuntime, User } from '../instances/service-runtime.ts'
import type { Service } from '../service.ts'
import type { CallPolicy } from './call-policy.ts'
import type { CallLimits } from './call-timer.ts'
import type { ParkedCalls } from './parked-calls.ts'
import type { ClientProfile } from './relay.ts'
import type { ResultCache } from './result-cache.ts'

/** What the calls of one client at one service have in common. */
export interface RelayContext {
  readonly profile: ClientProfile
  /** The client, as those who open instances know it. */
  readonly user: User
  readonly service: () => Service
  readonly runtime: () => ServiceRuntime
  readonly policy: CallPolicy
  readonly parked: ParkedCalls
  readonly cache: ResultCache
  readonly limits: () => CallLimits
  readonly log: Log
  /** The level that a legacy client has set. */
  readonly logLevel: () => string | undefined
  /** Has the client hear what an instance says that belongs to no call. */
  readonly attach: (instance: Instance) => void
}
