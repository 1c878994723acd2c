import { readFileSync } from 'node:fs'
import { commandVariables, processEnvironment } from '../config/environment.ts'
import { readOptions } from './config-options.ts'
import type { ConfigOptions } from './config-options.ts'

/** How to reach the gateway that is to be examined. */
export interface DoctorOptions extends ConfigOptions {
  readonly url?: string
  readonly keyFile?: string
}

/** A gateway as a client sees it. */
interface Patient {
  readonly url: string
  readonly key: string
}

/** One step of the examination: resolves to what it found, throws what is wrong. */
interface Check {
  readonly name: string
  readonly run: (patient: Patient) => Promise<string>
}

const answerTimeoutMs = 10_000
const echoModel = 'portico/echo'

const openChecks: readonly Check[] = [
  { name: 'process', run: async (patient) => answersOk(patient, '/healthz') },
  { name: 'ready', run: async (patient) => answersOk(patient, '/readyz') },
]

const keyChecks: readonly Check[] = [
  { name: 'models', run: listModels },
  { name: 'stream', run: streamChat },
]

/** Checks a running gateway step by step, prints one line a step, and returns the exit code: 0 when all is well, else 1. */
export async function examine(options: DoctorOptions): Promise<number> {
  const url = options.url ?? `http://127.0.0.1:${readOptions(options).load().server.port}`
  const key = readKey(options.keyFile)
  const patient = { url: url.replace(/\/+$/, ''), key: key ?? '' }
  console.log(`Examining ${patient.url}`)

  let isWell = true
  for (const check of key === undefined ? openChecks : [...openChecks, ...keyChecks]) {
    isWell = (await perform(check, patient)) && isWell
  }
  if (key === undefined) {
    console.log(`skip  models, stream: set ${commandVariables.key} or give --key-file`)
  }
  return isWell ? 0 : 1
}

function readKey(file: string | undefined): string | undefined {
  const text =
    file === undefined ? processEnvironment()[commandVariables.key] : readFileSync(file, 'utf8')
  return text?.trim() || undefined
}

async function perform({ name, run }: Check, patient: Patient): Promise<boolean> {
  const startedAt = performance.now()
  try {
    const finding = await run(patient)
    console.log(`ok    ${name}: ${finding} (${Math.round(performance.now() - startedAt)} ms)`)
    return true
  } catch (error) {
    console.log(`fail  ${name}: ${reasonOf(error)}`)
    return false
  }
}

async function answersOk(patient: Patient, path: string): Promise<string> {
  const response = await ask(patient, path)
  await response.body?.cancel()
  return `${path} answers ${response.status}`
}

async function listModels(patient: Patient): Promise<string> {
  const response = await ask(patient, '/v1/models')
  const { data } = (await response.json()) as { data?: unknown[] }
  if (!Array.isArray(data)) throw new Error('/v1/models answers without a list')
  return `the key may call ${data.length}`
}

async function streamChat(patient: Patient): Promise<string> {
  const response = await ask(patient, '/v1/chat/completions', {
    method: 'POST',
    body: JSON.stringify({
      model: echoModel,
      stream: true,
      messages: [{ role: 'user', content: 'one two three' }],
    }),
  })
  const events = (await response.text()).split('\n').filter((line) => line.startsWith('data: '))
  if (events.at(-1) !== 'data: [DONE]') throw new Error('the stream ended before it was complete')
  return `${echoModel} streamed ${events.length} events`
}

async function ask({ url, key }: Patient, path: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(url + path, {
    ...init,
    redirect: 'error',
    headers: { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) },
    signal: AbortSignal.timeout(answerTimeoutMs),
  })
  if (response.ok) return response
  throw new Error(`${path} answers ${response.status}: ${(await response.text()).slice(0, 300)}`)
}

// `fetch` hides the reason, e.g. ECONNREFUSED, one level down.
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}
