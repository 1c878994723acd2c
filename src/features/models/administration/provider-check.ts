import { z } from 'zod'
import type { ProviderReport } from '../../../protocol/api/providers.ts'
import { parseJson } from '../json-body.ts'
import { isWildcard } from '../catalogue/model-names.ts'
import type { Provider } from '../catalogue/provider.ts'
import { isSecretHeader } from './provider-draft.ts'

/** What a provider answered to a probe, or why it did not. */
export type ProbeAnswer =
  | { readonly status: number; readonly body: string; readonly ms: number }
  | { readonly status: null; readonly error: string; readonly ms: number }

/**
 * Asks a provider for `path`, below its base, with its credential; never rejects.
 * It has a deadline, reads a bounded body, and does not follow redirects.
 */
export type ProbeProvider = (provider: Provider, path: string) => Promise<ProbeAnswer>

type Report = z.output<typeof ProviderReport>

const errorCharsMax = 300
const modelsMax = 10_000

/** What `GET models` answers: OpenAI's and Anthropic's list, a bare array, or Ollama's. */
const NamedModel = z
  .union([z.object({ id: z.string() }), z.object({ name: z.string() })])
  .transform((model) => ('id' in model ? model.id : model.name))
const ModelAnswer = z.union([
  z.object({ data: z.array(NamedModel).max(modelsMax) }).transform(({ data }) => data),
  z.object({ models: z.array(NamedModel).max(modelsMax) }).transform(({ models }) => models),
  z.array(NamedModel).max(modelsMax),
])

/** Asks a provider which models it serves, and compares them with those that are listed for it. */
export async function checkProvider(provider: Provider, probe: ProbeProvider): Promise<Report> {
  const answer = await probe(provider, 'models')
  const latencyMs = Math.round(answer.ms)
  const failed = { ok: false, status: answer.status, latencyMs, models: [], missing: [] }
  if (answer.status === null) return { ...failed, error: redact(answer.error, provider) }
  if (answer.status < 200 || answer.status > 299) {
    return { ...failed, error: redact(answer.body, provider) || `HTTP ${answer.status}` }
  }
  const models = readModels(answer.body)
  if (models === undefined) return { ...failed, error: 'The answer is no list of models.' }
  const offered = new Set(models)
  const missing = provider.models
    .map(({ sends }) => sends)
    .filter((name) => !isWildcard(name) && !offered.has(name))
  return { ok: true, status: answer.status, latencyMs, models, missing: [...new Set(missing)] }
}

function readModels(body: string): string[] | undefined {
  return ModelAnswer.safeParse(parseJson(body)).data
}

/** A short excerpt of what an upstream said, in one line, without the credential that it may have repeated. */
function redact(text: string, provider: Provider): string {
  let safe = text
  for (const { secret } of provider.credentials) {
    if (secret !== null) safe = safe.replaceAll(secret.reveal(), '[secret]')
  }
  for (const [name, value] of provider.headers) {
    if (isSecretHeader(name) && value !== '') safe = safe.replaceAll(value, '[secret]')
  }
  return safe.replaceAll(/\s+/g, ' ').trim().slice(0, errorCharsMax)
}
