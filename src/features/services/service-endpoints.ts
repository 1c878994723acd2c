import type { Config } from '../../config/schema.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Live } from '../../lib/live.ts'
import type { Log } from '../../lib/log.ts'
import { readVersion } from '../../lib/version.ts'
import type { SecretBox } from '../../store/secret-box.ts'
import type { ManagedDirectory } from './administration/service-directory.ts'
import type { CallerAccess } from './caller.ts'
import type { ManagedCatalogue } from './catalogue/service-catalogue.ts'
import { createConnectors } from './connectors.ts'
import { Runtimes } from './instances/runtimes.ts'
import type { ProcessHost } from './process-host.ts'
import { createCallPolicy } from './relay/call-policy.ts'
import type { CallLimits } from './relay/call-timer.ts'
import { createParkedCalls } from './relay/parked-calls.ts'
import type { Endpoint } from './relay/relay.ts'
import { createResultCache } from './relay/result-cache.ts'
import { createServiceEndpoint } from './relay/service-endpoint.ts'
import type { Service } from './service.ts'
import type { UpstreamPools } from './upstream/upstream-pools.ts'

/** What services are run with. */
export interface RunDependencies {
  readonly directory: ManagedDirectory
  readonly catalogue: ManagedCatalogue
  readonly host: ProcessHost
  readonly pools: UpstreamPools
  readonly clock: Clock
  readonly log: Log
  readonly logs: {
    write(
      serviceId: string,
      line: { readonly level: 'info'; readonly stream: 'stdout'; readonly message: string },
    ): void
  }
}

/** Puts together what runs services. Whoever opens it disposes of it. */
export function openRuntimes(deps: RunDependencies, config: Live<Config['services']>): Runtimes {
  const { directory, pools, logs } = deps
  return new Runtimes({
    ...deps,
    connectors: createConnectors(pools, config),
    userValues: (serviceId, keyId) => directory.userValues(serviceId, keyId),
    desiredState: ({ id }) => directory.desiredState(id),
    clientInfo: { name: 'portico', version: readVersion() },
    lineBytesMax: () => config().messageBytesMax,
    instancesMax: () => config().instancesMax,
    onNoise: (serviceId, message) =>
      logs.write(serviceId, { level: 'info', stream: 'stdout', message }),
  })
}

/** Ends what runs with values of a key that has changed them. Returns the function that ends the following. */
export function followUserValues(
  directory: ManagedDirectory,
  runtimes: Runtimes,
  log: Log,
): () => void {
  return directory.onUserValuesChanged((serviceId, keyId) => {
    runtimes.endUser(serviceId, keyId).catch((err: unknown) => {
      log.warn({ err, serviceId }, 'what was open with earlier values did not end in good order')
    })
  })
}

/** What clients reach services with. */
export interface EndpointDependencies {
  readonly directory: ManagedDirectory
  readonly catalogue: ManagedCatalogue
  readonly runtimes: Runtimes
  readonly access: CallerAccess
  readonly secretBox: SecretBox
  readonly clock: Clock
  readonly log: Log
}

/** Makes the function that gives the endpoint of a service. What calls leave behind belongs to `scope`. */
export function createServiceEndpoints(
  deps: EndpointDependencies,
  { scope, config }: { scope: AsyncDisposableStack; config: Live<Config['services']> },
): (service: Service) => Endpoint {
  const { directory, catalogue, runtimes, log } = deps
  const parked = scope.use(createParkedCalls({ ...deps, config }))
  const policy = createCallPolicy(deps)
  const cache = createResultCache()
  return (service) => {
    const current = () => directory.service(service.id) ?? standIn(service)
    return createServiceEndpoint(service, {
      log,
      policy,
      parked,
      cache,
      catalogue,
      service: current,
      runtime: () => runtimes.of(current()),
      limits: () => callLimits(current(), config()),
      isQuarantined: (...question) => catalogue.isQuarantined(...question),
      onListsChanged: (listener) => runtimes.onListsChanged(service.id, listener),
    })
  }
}

/** For a service that the directory does not know: one of our own, or one that is gone and serves nobody any more. */
function standIn(service: Service): Service {
  if (service.settings.upstream.kind === 'builtin') return service
  return { ...service, settings: { ...service.settings, enabled: false } }
}

function callLimits(
  { settings: { timeoutMs, totalTimeoutMs } }: Service,
  { parkedMs }: Config['services'],
): CallLimits {
  return { silenceMs: timeoutMs, totalMs: totalTimeoutMs, answerMs: parkedMs }
}
