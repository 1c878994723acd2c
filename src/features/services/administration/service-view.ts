import type { z } from 'zod'
import type { ReverseProxyMetrics } from '../../../protocol/api/reverse-proxy.ts'
import type {
  ServiceHealth,
  ServiceMetrics,
  ServiceView,
} from '../../../protocol/api/service-views.ts'
import type { ServiceControl } from '../instances/service-control.ts'
import type { ServiceFigures, ServiceStatus } from '../instances/service-status.ts'
import type { ManagedCatalogue } from '../catalogue/service-catalogue.ts'
import { proxyStates } from '../instances/runtime-status.ts'
import { parseMemory } from './reverse-proxy-draft.ts'
import type { StoredService } from './service-rows.ts'
import { perUserNames, shownValues } from './service-values.ts'
import type { CountTokens } from './token-count.ts'

/** What services are shown with. */
export interface ServiceViewDeps {
  readonly catalogue: ManagedCatalogue
  readonly control: Pick<ServiceControl, 'status' | 'figures'>
  readonly countTokens: CountTokens
}

type View = z.output<typeof ServiceView>
type State = View['state']
type Status = View['status']

const MiB = 1024 * 1024

/** The states of services in the words of MCP Reverse Proxy. */
const statuses: Readonly<Record<State, Status>> = {
  ...proxyStates,
  disabled: 'stopped',
  unreadable: 'stopped',
}

/** A service as the management API shows it. */
export async function viewService(deps: ServiceViewDeps, service: StoredService): Promise<View> {
  const { id, workspaceId, name, settings, revision, desiredState } = service
  const { name: _name, upstream, isolation, ...rest } = settings
  const running = deps.control.status(id)
  const tools = deps.catalogue.published(id)?.lists.tools.items
  return {
    ...viewRow(service, running),
    ...(await viewMetrics(deps, service, running)),
    workspaceId,
    slug: name,
    upstream,
    isolation,
    settings: rest,
    revision,
    desiredState,
    state: stateOf(service, running),
    health: viewHealth(running),
    instances: running.instances,
    callsRunning: running.callsRunning,
    restarts: running.restarts,
    toolCount: tools?.length ?? null,
    tokenCount: tools?.reduce((sum, tool) => sum + deps.countTokens(tool), 0) ?? null,
    pendingChanges: deps.catalogue.pending(id),
    stderr: [...running.stderr],
    perUserValues: perUserNames(upstream),
  }
}

/** The answer to how a service is. */
export function viewServiceHealth(
  { control }: ServiceViewDeps,
  service: StoredService,
): z.output<typeof ServiceHealth> {
  const running = control.status(service.id)
  const state = stateOf(service, running)
  const { lastError, stderr, instances, callsRunning } = running
  const health = viewHealth(running)
  return {
    status: statuses[state],
    state,
    lastError,
    stderr: [...stderr],
    health,
    instances,
    callsRunning,
  }
}

/** The answer to what a service uses. */
export async function viewServiceMetrics(
  { control }: ServiceViewDeps,
  service: StoredService,
): Promise<z.output<typeof ServiceMetrics>> {
  const running = control.status(service.id)
  const status = statuses[stateOf(service, running)]
  return {
    serviceId: service.id,
    status,
    metrics: toMetrics(await control.figures(service.id), status),
    instances: running.instances,
    callsRunning: running.callsRunning,
  }
}

/** The fields that clients of MCP Reverse Proxy know, but for the metrics. */
function viewRow(service: StoredService, running: ServiceStatus) {
  const { id, settings, origin, createdAt, updatedAt } = service
  const { upstream, restart } = settings
  return {
    id,
    name: origin?.title ?? service.name,
    ...viewRepository(service),
    environment: upstream.kind === 'process' ? shownValues(upstream) : {},
    proxyPath: settings.path ?? `/mcp/${service.name}`,
    rateLimit: settings.requestsPerMinute ?? 0,
    cacheTTL: settings.cacheTtlMs / 1000,
    timeout: settings.timeoutMs,
    autoRestart: restart.auto,
    maxRestarts: restart.maxRestarts,
    maxMemory: viewMemory(service),
    healthCheckInterval: settings.healthIntervalMs / 1000,
    status: statuses[stateOf(service, running)],
    lastError: running.lastError,
    createdAt: new Date(createdAt).toISOString(),
    updatedAt: new Date(updatedAt).toISOString(),
  }
}

function viewRepository({ origin, settings: { upstream } }: StoredService) {
  if (origin !== null) {
    const { url, branch, path, entryPoint } = origin
    return { repositoryUrl: url, repositoryBranch: branch, repositoryPath: path, entryPoint }
  }
  const cwd = upstream.kind === 'process' ? upstream.cwd : null
  return { repositoryUrl: null, repositoryBranch: '', repositoryPath: cwd ?? '', entryPoint: '' }
}

function viewMemory({ settings: { upstream }, origin }: StoredService): string {
  const bytes = upstream.kind === 'process' ? upstream.memoryBytesMax : null
  if (bytes === null) return ''
  const asWritten = origin?.maxMemory
  if (asWritten !== undefined && parseMemory(asWritten) === bytes) return asWritten
  return bytes % MiB === 0 ? `${bytes / MiB}MB` : `${bytes}B`
}

/** Nothing at all for what never runs here. Figures cost a look at the process, so only what runs is asked. */
async function viewMetrics(
  { control }: ServiceViewDeps,
  service: StoredService,
  running: ServiceStatus,
): Promise<Pick<View, 'metrics'>> {
  if (service.settings.upstream.kind !== 'process') return {}
  const figures = running.state === 'running' ? await control.figures(service.id) : undefined
  return { metrics: toMetrics(figures, statuses[stateOf(service, running)]) }
}

function toMetrics(
  figures: ServiceFigures | undefined,
  status: Status,
): z.output<typeof ReverseProxyMetrics> | null {
  if (figures === undefined) return null
  return {
    pid: figures.pid,
    status,
    uptime: figures.uptimeMs,
    restartCount: figures.restarts,
    memoryUsage: figures.memoryBytes,
    cpuUsage: figures.cpuPercent,
  }
}

function stateOf({ isReadable, settings }: StoredService, { state }: ServiceStatus): State {
  if (!isReadable) return 'unreadable'
  return settings.enabled ? state : 'disabled'
}

function viewHealth({ health }: ServiceStatus): View['health'] {
  return health === null ? null : { ...health, at: new Date(health.at).toISOString() }
}
