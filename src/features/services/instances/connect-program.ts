import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../../lib/errors.ts'
import { randomBase58 } from '../../../lib/ids.ts'
import type { Child, Program, ProgramSpec } from '../process-host.ts'
import type { Service } from '../service.ts'
import type { Connection } from '../upstream/connection.ts'
import type { Era } from '../wire/protocol-versions.ts'
import type { ConnectOptions, OpenDependencies } from './open-connection.ts'

/** How the program of a service is run. `id` names this one program among all that run. */
export function programSpec(
  service: Service,
  {
    id,
    env,
    lineBytesMax,
  }: { id: string; env: Readonly<Record<string, string>>; lineBytesMax: number },
): ProgramSpec {
  const { upstream, restart } = service.settings
  if (upstream.kind !== 'process') throw new TypeError('Only a program has a specification.')
  return {
    id,
    owner: service.id,
    command: upstream.command,
    args: upstream.args,
    cwd: upstream.cwd ?? undefined,
    env,
    limits: {
      memoryBytesMax: upstream.memoryBytesMax,
      cpuSecondsMax: upstream.cpuSecondsMax,
      lineBytesMax,
    },
    sandbox: upstream.sandbox ? { network: upstream.network } : null,
    // Whoever wants it again starts it: a program without a connection has nobody to talk to.
    restart: { auto: false, maxRestarts: restart.maxRestarts, windowMs: restart.windowMs },
  }
}

/** A program of a service, and with what environment it runs. */
export interface ServiceProgram {
  readonly service: Service
  readonly program: Program
  readonly env: Readonly<Record<string, string>>
  /** Forget earlier crashes. */
  readonly isForced: boolean
}

/** Starts the program where it is not running, and connects. Rejects with `service_failed`, and as connecting does. */
export async function connectProgram(
  deps: OpenDependencies,
  started: ServiceProgram,
  options: ConnectOptions,
): Promise<Connection> {
  const { service, program, isForced } = started
  const remembered = deps.manners.recall(service.revision)?.era
  const era =
    options.era === 'auto' ? (remembered ?? (await probe(deps, started, options))) : options.era
  const child = await program.start({ force: isForced, signal: options.signal })
  const connection = await deps.connectors
    .openStdio(child, { ...options, era })
    .catch((error: unknown) => giveUp(started, child, error))
  if (remembered === undefined) {
    deps.manners.remember(service.revision, { era, transport: 'streamable-http' })
  }
  return connection
}

/** Some servers end at a question before the handshake, so a child is asked that nobody needs. */
async function probe(
  { host, connectors, lineBytesMax }: OpenDependencies,
  { service, env }: ServiceProgram,
  { signal }: ConnectOptions,
): Promise<Era> {
  const id = `${service.id}:probe:${randomBase58(8)}`
  await using scout = host.supervise(
    programSpec(service, { id, env, lineBytesMax: lineBytesMax() }),
  )
  const child = await scout.start({ signal })
  // Waited for here: the scout ends with this function.
  return await connectors.probeStdio(child, signal)
}

/** A program that does not answer the handshake is of no use; where it ended, its last words say why. */
async function giveUp(
  { service, program }: ServiceProgram,
  child: Child,
  error: unknown,
): Promise<never> {
  const patience = sleep(exitNoticeMs, undefined, { ref: false })
  const exit = await Promise.race([child.exited, patience])
  if (exit === undefined) await program.stop()
  if (exit === undefined) throw error
  const { code, signal, stderr } = exit
  const how = signal === null ? `exit code ${code}` : signal
  const message = `The program of ${service.name} ended before it answered (${how}).`
  const words = stderr.slice(-5).join('\n')
  const hint = words === '' ? {} : { hint: `Its last words on stderr:\n${words}` }
  throw new AppError('service_failed', message, { ...hint, cause: error })
}

const exitNoticeMs = 500
