import type { IncomingMessage } from 'node:http'
import { AppError } from '../../../lib/errors.ts'
import { newId } from '../../../lib/ids.ts'
import type { Live } from '../../../lib/live.ts'
import { parseOutboundUrl } from '../../../net/address-guard.ts'
import type { Inbound } from '../../../net/exchange.ts'
import { foreignOrigin } from '../../../net/origin-check.ts'
import type { Caller } from '../caller.ts'
import type { ProcessHost, ProgramSpec } from '../process-host.ts'
import type { Channel } from '../wire/channel.ts'
import { readAdhocCommand, type AdhocCommand } from './adhoc-command.ts'
import { openAdhocProgram, type OpenStdio, type ProgramEnding } from './adhoc-program.ts'
import type { ApprovedCommand, CommandApprovals, CommandInQuestion } from './command-approvals.ts'
import { createConnectionSlots } from './connection-slots.ts'

/** What the audit trail is told of each connection: of a program once it has ended, of a URL when it has been opened. */
export type AdhocAuditEntry = {
  readonly keyId: string
  readonly workspaceId: string
  readonly requestId: string
  readonly ip: string
} & (
  | ({
      readonly transport: 'stdio'
      /** undefined where it ran without one. */
      readonly approvalId: string | undefined
    } & CommandInQuestion &
      ProgramEnding)
  | { readonly transport: 'sse'; readonly origin: string }
)

/** Opens the client end of a server that speaks HTTP with SSE. `publicOnly`: no private address, whatever the name resolves to. */
export type OpenSse = (
  url: URL,
  options: { readonly headers: Readonly<Record<string, string>>; readonly publicOnly: boolean },
) => Promise<Channel>

/** What the proxy needs. */
export interface AdhocProxyDeps {
  readonly host: ProcessHost
  readonly approvals: CommandApprovals
  /** Why a web page may not ask this, by its `Origin`; undefined where it may. */
  readonly refuseOrigin: (req: IncomingMessage) => AppError | undefined
  /** Says whether a text is a key of ours, working or not. */
  readonly isOwnKey: (text: string) => boolean
  readonly openStdio: OpenStdio
  readonly openSse: OpenSse
  readonly audit: (entry: AdhocAuditEntry) => void
}

/** The part of the configuration that the proxy obeys. */
export interface AdhocProxyConfig {
  readonly adhoc: 'off' | 'approved' | 'admin'
  readonly allowUnsandboxed: boolean
  readonly adhocEnv: Readonly<Record<string, string>>
  readonly maxDurationMs: number
  readonly messageBytesMax: number
}

/** Connects clients to servers that they name in the request itself. */
export interface AdhocProxy {
  /**
   * Opens the server that the query names: `transport=stdio` with `command`, `args`, `env`, or `transport=sse` with
   * `url`. Whoever asked disposes of the channel. Nothing is run or called before everything has been checked. Rejects with
   * `origin_not_allowed`, `service_not_allowed`, `stdio_disabled`, `invalid_request`, `command_not_approved`,
   * `sandbox_unavailable`, `destination_not_allowed`, `overloaded`, `service_failed`, and what `openSse` rejects with.
   */
  open(query: URLSearchParams, inbound: Inbound, caller: Caller): Promise<Channel>
}

/** One request for a connection. */
interface Ask {
  readonly query: URLSearchParams
  readonly inbound: Inbound
  readonly caller: Caller
}

const GiB = 1024 ** 3
/** Name under which keys may be kept from this server or allowed it. */
const serviceName = 'proxy'
const slotLimits = { perKeyMax: 4, totalMax: 32 }

/** Creates the proxy of `/mcp/proxy/sse`. */
export function createAdhocProxy(deps: AdhocProxyDeps, config: Live<AdhocProxyConfig>): AdhocProxy {
  const slots = createConnectionSlots(slotLimits)
  return {
    async open(query, inbound, caller) {
      const ask = { query, inbound, caller }
      const transport = query.get('transport')
      refuseForeignPages(deps, ask)
      if (!caller.allowsService(serviceName)) {
        throw new AppError('service_not_allowed', `This key may not use ${serviceName}.`)
      }
      if (transport === 'stdio') {
        const program = await prepareProgram(deps, config(), ask)
        const release = slots.take(caller.keyId)
        return startProgram({ deps, config: config(), ask, program, release })
      }
      if (transport === 'sse') {
        const takeSlot = () => slots.take(caller.keyId)
        return openUrl(deps, ask, { takeSlot, durationMaxMs: config().maxDurationMs })
      }
      throw new AppError('invalid_request', 'Invalid transport type specified', {
        hint: 'Use transport=stdio or transport=sse.',
        param: 'transport',
      })
    },
  }
}

/**
 * A page could have its visitor's browser send this request, which needs nothing but a URL. An image or a form sends no
 * `Origin` with it, but says that it comes from elsewhere; and no other site may have a program run, allowed or not.
 */
function refuseForeignPages({ refuseOrigin }: AdhocProxyDeps, { query, inbound }: Ask): void {
  const { headers } = inbound.req
  const site = headers['sec-fetch-site']
  const isElsewhere =
    (site === 'cross-site' && query.get('transport') !== 'sse') ||
    (headers.origin === undefined && (site === 'cross-site' || site === 'same-site'))
  const refusal = isElsewhere ? foreignOrigin() : refuseOrigin(inbound.req)
  if (refusal !== undefined) throw refusal
}

/** A program that may run, and on whose word. */
interface PreparedProgram {
  readonly command: AdhocCommand
  readonly question: CommandInQuestion
  readonly approval: ApprovedCommand | undefined
}

async function prepareProgram(
  { host, approvals }: AdhocProxyDeps,
  { adhoc, allowUnsandboxed }: AdhocProxyConfig,
  { query, caller }: Ask,
): Promise<PreparedProgram> {
  if (adhoc === 'off') {
    throw new AppError('stdio_disabled', 'Commands from requests are switched off.')
  }
  const command = readAdhocCommand(query)
  const { canSandbox: isSandboxed } = host
  const envNames = Object.keys(command.env).sort()
  const question = { command: command.command, args: command.args, envNames, isSandboxed }
  const approval = await approvals.find(question, caller)
  if (approval === undefined && !(adhoc === 'admin' && caller.runsCommands)) {
    throw notApproved(await approvals.request(question, caller))
  }
  if (!isSandboxed && !allowUnsandboxed) {
    throw new AppError(
      'sandbox_unavailable',
      'The program must run in a sandbox, and there is none.',
      { hint: 'Install bubblewrap, or set services.allowUnsandboxed.' },
    )
  }
  return { command, question, approval }
}

function notApproved({ id }: { id: string }): AppError {
  return new AppError(
    'command_not_approved',
    'This command has not been approved, word for word.',
    {
      hint: `It waits as ${id}; an administrator approves it with POST /api/services/commands/${id}/approve.`,
    },
  )
}

/** What is at hand once a program may start. */
interface Start {
  readonly deps: AdhocProxyDeps
  readonly config: AdhocProxyConfig
  readonly ask: Ask
  readonly program: PreparedProgram
  readonly release: () => void
}

function startProgram({ deps, config, ask, program, release }: Start): Promise<Channel> {
  const { question, approval } = program
  return openAdhocProgram({
    program: superviseOrRelease({ deps, spec: specOf(program, ask, config), release }),
    openStdio: deps.openStdio,
    durationMaxMs: config.maxDurationMs,
    onEnd: (ending) => {
      release()
      const approvalId = approval?.id
      deps.audit({ ...whoAsks(ask), transport: 'stdio', approvalId, ...question, ...ending })
    },
  })
}

function superviseOrRelease({
  deps,
  spec,
  release,
}: Pick<Start, 'deps' | 'release'> & { readonly spec: ProgramSpec }) {
  try {
    return deps.host.supervise(spec)
  } catch (error) {
    release()
    throw error
  }
}

function specOf(
  { command: { command, args, env }, question, approval }: PreparedProgram,
  { caller }: Ask,
  { adhocEnv, messageBytesMax }: AdhocProxyConfig,
): ProgramSpec {
  return {
    id: newId('adhoc'),
    // What a program leaves in its folder is there again for the same key, and for nobody else.
    owner: `${serviceName} ${caller.keyId}`,
    command,
    args,
    cwd: undefined,
    env: { ...adhocEnv, ...env },
    limits: {
      memoryBytesMax: 2 * GiB,
      cpuSecondsMax: 60 * 60,
      lineBytesMax: messageBytesMax,
    },
    sandbox: question.isSandboxed ? { network: approval?.network ?? true } : null,
    restart: { auto: false, maxRestarts: 0, windowMs: 60_000 },
  }
}

async function openUrl(
  { isOwnKey, openSse, audit }: AdhocProxyDeps,
  ask: Ask,
  { takeSlot, durationMaxMs }: { takeSlot: () => () => void; durationMaxMs: number },
): Promise<Channel> {
  const publicOnly = !ask.caller.runsCommands
  const url = parseOutboundUrl(ask.query.get('url') ?? '', {
    schemes: ['https', 'http'],
    anyPort: true,
    allowPrivate: !publicOnly,
  })
  const release = takeSlot()
  const headers = passedOnHeaders(ask.inbound.req.headers.authorization, isOwnKey)
  const channel = await openSse(url, { headers, publicOnly }).catch((error: unknown) => {
    release()
    throw error
  })
  const end = (): void => void channel[Symbol.asyncDispose]()
  const timer = durationMaxMs > 0 ? setTimeout(end, durationMaxMs) : undefined
  void channel.closed.then(() => {
    clearTimeout(timer)
    release()
  })
  audit({ ...whoAsks(ask), transport: 'sse', origin: url.origin })
  return channel
}

/** The client's own credential for the server it named; ours stay here. */
function passedOnHeaders(
  authorization: string | undefined,
  isOwnKey: (text: string) => boolean,
): Record<string, string> {
  if (authorization === undefined) return {}
  const text = authorization.replace(/^\S+\s+/, '').trim()
  return isOwnKey(text) || isOwnKey(authorization.trim()) ? {} : { authorization }
}

function whoAsks({ caller, inbound }: Ask) {
  const { keyId, workspaceId } = caller
  return { keyId, workspaceId, requestId: inbound.id, ip: inbound.ip }
}
