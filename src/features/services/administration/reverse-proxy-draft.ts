import { resolve, sep } from 'node:path'
import type { z } from 'zod'
import { AppError } from '../../../lib/errors.ts'
import type {
  ReverseProxyChange,
  ReverseProxyService,
} from '../../../protocol/api/reverse-proxy.ts'
import { ServiceReplacement } from '../../../protocol/api/services.ts'
import type { ServiceSettings } from '../../../protocol/api/services.ts'
import { finishDraft } from './service-draft.ts'
import { completeSettings } from './service-rows.ts'
import type { Origin, ServiceDraft } from './service-rows.ts'
import { noSecrets } from './service-values.ts'
import type { Upstream } from './service-values.ts'

type NewBody = z.output<typeof ReverseProxyService>
type ChangeBody = z.output<typeof ReverseProxyChange>
type ProcessUpstream = Extract<Upstream, { kind: 'process' }>

const bytesPerUnit = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 } as const

/**
 * A draft of a service that was described as MCP Reverse Proxy does: a script that Node.js runs in the folder of its
 * repository, from the moment it is started until it is stopped. `name` is the name in URLs.
 * Throws `invalid_request`, `reserved_name`.
 */
export function draftReverseProxyService(body: NewBody, name: string): ServiceDraft {
  const { repository } = body
  const blank: ServiceDraft = {
    settings: completeSettings(
      ServiceReplacement.parse({
        name,
        upstream: { kind: 'process', command: 'node' },
        start: 'always',
        idleStopMs: null,
      }),
    ),
    secrets: noSecrets,
    origin: {
      title: body.name,
      url: repository.url ?? null,
      branch: repository.branch,
      path: repository.path,
      entryPoint: repository.entryPoint,
      maxMemory: body.process.maxMemory,
    },
  }
  return changeReverseProxyDraft(blank, body, name)
}

/** Applies a change that was described in that way, also to other services as far as it makes sense. Throws as above. */
export function changeReverseProxyDraft(
  before: ServiceDraft,
  body: ChangeBody,
  name: string,
): ServiceDraft {
  const origin = changeOrigin(before.origin, body)
  const settings: ServiceSettings = {
    ...before.settings,
    ...changedSettings(before.settings, body),
    name,
    upstream: changeUpstream(before.settings.upstream, origin, body),
  }
  return finishDraft(settings, { secrets: before.secrets, origin })
}

/** Bytes of a size like `512MB`. Units count by 1024. */
export function parseMemory(text: string): number {
  const [, number = '0', unit = ''] = /^([\d.]+)\s*([KMGT])?i?B?$/i.exec(text) ?? []
  return Math.round(Number(number) * bytesPerUnit[unit.toUpperCase() as keyof typeof bytesPerUnit])
}

function changeOrigin(before: Origin | null, body: ChangeBody): Origin | null {
  if (before === null) return null
  const { url, ...repository } = body.repository ?? {}
  return {
    ...before,
    ...defined(repository),
    ...defined({
      title: body.name,
      url: url === '' ? null : url,
      maxMemory: body.process?.maxMemory,
    }),
  }
}

function changedSettings(
  before: ServiceSettings,
  { proxy = {}, process = {} }: ChangeBody,
): Partial<ServiceSettings> {
  const { autoRestart: auto, maxRestarts } = process
  return {
    ...defined({
      path: proxy.path,
      requestsPerMinute: proxy.rateLimit === 0 ? null : proxy.rateLimit,
      cacheTtlMs: toMs(proxy.cacheTTL),
      timeoutMs: proxy.timeout,
      totalTimeoutMs: proxy.timeout,
      healthIntervalMs: toMs(process.healthCheckInterval),
    }),
    restart: { ...before.restart, ...defined({ auto, maxRestarts }) },
  }
}

function changeUpstream(before: Upstream, origin: Origin | null, body: ChangeBody): Upstream {
  const { repository, environment, process } = body
  const touches = repository ?? environment ?? process?.maxMemory
  if (touches === undefined) return before
  if (before.kind !== 'process') {
    throw new AppError('invalid_request', 'The service is not a program of this machine.', {
      hint: 'Send its upstream instead of repository, environment and maxMemory.',
    })
  }
  return {
    ...before,
    ...(repository === undefined ? {} : commandOf(origin)),
    ...(environment === undefined ? {} : { env: sealAll(environment) }),
    ...(process?.maxMemory === undefined
      ? {}
      : { memoryBytesMax: parseMemory(process.maxMemory) || null }),
  }
}

/** Everything in an environment of this kind counts as secret. */
function sealAll(environment: Readonly<Record<string, string>>): ProcessUpstream['env'] {
  return Object.fromEntries(Object.entries(environment).map(([name, secret]) => [name, { secret }]))
}

function commandOf(origin: Origin | null): Pick<ProcessUpstream, 'command' | 'args' | 'cwd'> {
  if (origin === null) {
    throw new AppError('invalid_request', 'The service has no repository.', {
      hint: 'Send its upstream instead.',
      param: 'repository',
    })
  }
  const cwd = resolve(origin.path)
  const script = resolve(cwd, origin.entryPoint)
  const isInside = script.startsWith(cwd.endsWith(sep) ? cwd : cwd + sep)
  // What begins with a dash would be taken for an option of Node.js.
  if (!isInside || origin.entryPoint.startsWith('-')) {
    throw new AppError('invalid_request', 'The entry point must be a file inside the repository.', {
      param: 'repository.entryPoint',
    })
  }
  return { command: 'node', args: [origin.entryPoint], cwd }
}

function toMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000
}

type Defined<Fields> = { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> }

function defined<Fields extends object>(fields: Fields): Defined<Fields> {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as Defined<Fields>
}
