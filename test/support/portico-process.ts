import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { stringify } from 'yaml'
import type { Upstream } from './upstream.ts'

const entry = path.join(import.meta.dirname, '../../src/bin.ts')

/** A folder for one Portico: its data, and its configuration where there is one. Disposing of it removes it. */
export interface PorticoHome extends AsyncDisposable {
  readonly dataDir: string
  readonly configFile: string
  /** Writes the configuration file, as YAML. */
  configure(config: object | string): Promise<void>
}

/** How a process ended. */
export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** ms from the start of waiting. */
  readonly ms: number
}

/** `portico serve` as a process of its own, on free ports. Disposing of it kills it. */
export interface PorticoProcess extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly child: ChildProcess
  /** Sends a request with the admin key, or with another. */
  ask(method: string, route: string, sent?: { body?: object; key?: string }): Promise<Response>
  /** Makes the upstream a provider of the model `m`. */
  addProvider(upstream: Upstream): Promise<void>
  /** Everything it has printed and logged so far, on both outputs. */
  readonly output: string
  /** Resolves once its output has the text. Rejects when it ends without. */
  printed(text: string): Promise<void>
  /** Resolves with how it ended. */
  ended(): Promise<Ending>
}

/** The admin key of every process that is started here. */
export const processAdminKey = 'ptk-admin-of-the-process-tests'

/** Makes an empty home. */
export async function createHome(): Promise<PorticoHome> {
  const folder = await mkdtemp(path.join(tmpdir(), 'portico-process-'))
  const configFile = path.join(folder, 'portico.yaml')
  return {
    dataDir: path.join(folder, 'data'),
    configFile,
    configure: (config) =>
      writeFile(configFile, typeof config === 'string' ? config : stringify(config)),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

/** Starts a process and waits until it serves. Throws with its output when it ends instead. */
export async function startProcess(
  home: PorticoHome,
  args: readonly string[] = [],
): Promise<PorticoProcess> {
  const launched = launch(home, args)
  await launched.printed('  dashboard  ')
  const url = /^ {2}public +(\S+)$/m.exec(launched.output)?.[1] ?? ''
  const ask: PorticoProcess['ask'] = (method, route, { body, key = processAdminKey } = {}) =>
    fetch(url + route, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    })
  const addProvider = async (upstream: Upstream) => {
    const made = await ask('POST', '/api/providers', { body: providerOf(upstream) })
    if (made.status !== 201) throw new Error(await made.text())
  }
  return Object.assign(launched, { url, port: Number(new URL(url).port), ask, addProvider })
}

function providerOf({ url }: Upstream): object {
  const account = { apiKey: 'sk-provider', models: ['m'], allowPrivate: true }
  return { name: 'acme', kind: 'openai', baseUrl: `${url}/v1`, ...account }
}

/** Starts a process that is expected to end by itself, and resolves with how it did. */
export async function runProcess(
  home: PorticoHome,
  args: readonly string[] = [],
): Promise<Ending & { readonly output: string }> {
  await using launched = launch(home, args)
  const ending = await launched.ended()
  return { ...ending, output: launched.output }
}

/** A process of which nobody knows yet whether it will serve. */
type Launched = Omit<PorticoProcess, 'url' | 'port' | 'ask' | 'addProvider'>

function launch(home: PorticoHome, args: readonly string[]): Launched {
  const own = ['--port', '0', '--dashboard-port', '0', '--data-dir', home.dataDir]
  const child = spawn(process.execPath, [entry, 'serve', ...own, ...args], {
    env: { PATH: process.env['PATH'], PORTICO_ADMIN_KEY: processAdminKey },
    cwd: path.dirname(home.configFile),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const looks = new Set<() => void>()
  const onText = (text: string) => {
    output += text
    for (const look of looks) look()
  }
  child.stdout.setEncoding('utf8').on('data', onText)
  child.stderr.setEncoding('utf8').on('data', onText)
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  return {
    child,
    get output() {
      return output
    },
    printed(text) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const look = () => {
        if (output.includes(text)) resolve()
      }
      looks.add(look)
      look()
      void closed.then(() => reject(new Error(`Ended without "${text}":\n${output}`)))
      return promise.finally(() => looks.delete(look))
    },
    async ended() {
      const startedAt = performance.now()
      const [code, signal] = await closed
      return { code, signal, ms: performance.now() - startedAt }
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await closed
    },
  }
}
