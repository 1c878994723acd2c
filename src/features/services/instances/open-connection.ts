import { LRUCache } from 'lru-cache'
import type { z } from 'zod'
import type { Clock } from '../../../lib/clock.ts'
import type { RemoteUpstream as RemoteSchema } from '../../../protocol/api/services.ts'
import { hasUserValues, resolveValues, type FindUserValues } from './service-values.ts'
import { connectProgram, programSpec } from './connect-program.ts'
import { createFailureWindow, type FailureWindow } from './failure-window.ts'
import type { Manner, Manners } from './manners.ts'
import { AppError } from '../../../lib/errors.ts'
import { randomBase58 } from '../../../lib/ids.ts'
import type { Child, ProcessHost, Program } from '../process-host.ts'
import type { Service } from '../service.ts'
import type { ClientHello, Connection, ConnectionListener } from '../upstream/connection.ts'
import type { Era } from '../wire/protocol-versions.ts'

/** How a connection is to be made, whatever is at its other end. */
export interface ConnectOptions {
  readonly era: Era | 'auto'
  readonly client: ClientHello
  readonly signal: AbortSignal
  /** Hears what the server says at once, before anybody else listens. */
  readonly listener: ConnectionListener
  /** Takes what is no message: a line for the log. */
  readonly onNoise: (text: string) => void
}

/** What a remote server is called with. */
interface RemoteTarget {
  readonly url: string
  readonly transport: Manner['transport'] | 'auto'
  readonly allowPrivate: boolean
  /** Flat list name, value, …, as of each request. */
  readonly headers: () => readonly string[]
}

/** The ways to connect, handed in so that this folder knows of none. */
export interface Connectors {
  openStdio(child: Child, options: ConnectOptions & { readonly era: Era }): Promise<Connection>
  /** Finds out which era a program speaks, at the price of a child. */
  probeStdio(child: Child, signal: AbortSignal): Promise<Era>
  openRemote(
    target: RemoteTarget,
    options: ConnectOptions & { readonly remembered: Manner | undefined },
  ): Promise<{ readonly connection: Connection; readonly transport: Manner['transport'] }>
  openBuiltin(server: 'think' | 'sequentialthinking', options: ConnectOptions): Promise<Connection>
}

/** What is needed to open connections to a service. */
export interface OpenDependencies {
  readonly host: ProcessHost
  readonly connectors: Connectors
  readonly clock: Clock
  readonly userValues: FindUserValues
  /** Remembers for a revision of a service how it is spoken to. */
  readonly manners: Manners
  readonly lineBytesMax: () => number
  /** Takes what a server prints beside its messages. */
  readonly onNoise: (serviceId: string, text: string) => void
}

type RemoteUpstream = z.output<typeof RemoteSchema>

/** For whom a connection is opened. */
interface OpenRequest {
  readonly keyId: string
  readonly client: ClientHello
  readonly listener: ConnectionListener
  /** Programs of the same users, that of a new connection included; those without a connection are used again. */
  readonly programs: Program[]
}

/** A connection, and what ends the program behind it once it is closed. */
interface OpenedConnection {
  readonly connection: Connection
  readonly stop: () => Promise<void>
}

/** Opens connections to one service. */
export interface ConnectionOpener {
  /** Rejects with `service_failed`, `invalid_request` for a value that the user has not set, and as connecting does. */
  open(request: OpenRequest): Promise<OpenedConnection>
  /** What failed before is tried at once, and programs start with a clean record. */
  forgetFailures(): void
  /** What failed before with the values of this user is tried at once. */
  forgetFailuresOf(keyId: string): void
}

/** Creates the opener of one revision of a service. */
export function createConnectionOpener(deps: OpenDependencies, service: Service): ConnectionOpener {
  const windows = new LRUCache<string, FailureWindow>({ max: windowsMax })
  const { upstream, era, startTimeoutMs } = service.settings
  let isForced = false

  async function connect(request: OpenRequest): Promise<OpenedConnection> {
    const values = resolveValues(service, request.keyId, deps.userValues)
    const options: ConnectOptions = {
      era,
      client: request.client,
      listener: request.listener,
      signal: AbortSignal.timeout(startTimeoutMs),
      onNoise: (text) => deps.onNoise(service.id, text),
    }
    switch (upstream.kind) {
      case 'builtin':
        return withoutProgram(await deps.connectors.openBuiltin(upstream.server, options))
      case 'remote':
        return withoutProgram(await connectRemote(deps, { service, upstream, values }, options))
      case 'process': {
        const program = spareProgram(request.programs) ?? supervise(deps, service, values)
        if (!request.programs.includes(program)) request.programs.push(program)
        const started = { service, program, env: values, isForced }
        const connection = await connectProgram(deps, started, options)
        return { connection, stop: () => program.stop() }
      }
    }
  }

  /** What fails with the values of one user says nothing of those of another. */
  function windowFor(keyId: string): FailureWindow {
    const owner = hasUserValues(service) ? keyId : ''
    const known = windows.get(owner) ?? createFailureWindow(deps.clock)
    windows.set(owner, known)
    return known
  }

  return {
    async open(request) {
      const failures = windowFor(request.keyId)
      failures.check()
      const opened = await connect(request).catch((error: unknown) => {
        const known = toFailure(error, service)
        // Programs have a backoff of their own, with what they said last.
        if (upstream.kind !== 'process') failures.note(known)
        throw known
      })
      failures.clear()
      isForced = false
      return opened
    },
    forgetFailures() {
      windows.clear()
      isForced = true
    },
    forgetFailuresOf: (keyId) => void windows.delete(keyId),
  }
}

async function connectRemote(
  { connectors, manners }: OpenDependencies,
  {
    service: { revision },
    upstream,
    values,
  }: {
    readonly service: Service
    readonly upstream: RemoteUpstream
    readonly values: Readonly<Record<string, string>>
  },
  options: ConnectOptions,
): Promise<Connection> {
  const headers = Object.entries(values).flat()
  const remembered = manners.recall(revision)
  const { connection, transport } = await connectors.openRemote(
    { ...upstream, headers: () => headers },
    { ...options, remembered },
  )
  if (remembered === undefined) manners.remember(revision, { era: connection.era, transport })
  return connection
}

/** Beyond so many users the windows of those that were here longest ago are forgotten. */
const windowsMax = 1_000

/** A program that has no connection now, with the memory of its crashes. */
function spareProgram(programs: readonly Program[]): Program | undefined {
  return programs.find(({ state }) => state.state !== 'running' && state.state !== 'starting')
}

function supervise(
  { host, lineBytesMax }: OpenDependencies,
  service: Service,
  env: Readonly<Record<string, string>>,
): Program {
  const id = `${service.id}:${randomBase58(12)}`
  return host.supervise(programSpec(service, { id, env, lineBytesMax: lineBytesMax() }))
}

function toFailure(error: unknown, { name }: Service): AppError {
  if (error instanceof AppError) return error
  const message = `The server of ${name} could not be spoken to.`
  return new AppError('upstream_failed', message, { cause: error })
}

function withoutProgram(connection: Connection): OpenedConnection {
  return { connection, stop: async () => undefined }
}
