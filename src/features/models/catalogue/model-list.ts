import { unescape } from 'node:querystring'
import { AppError } from '../../../lib/errors.ts'
import { jsonAnswer, sendAnswer } from '../../../net/answer.ts'
import type { Exchange } from '../../../net/exchange.ts'
import { builtinProviderName } from './builtin-provider.ts'
import type { Caller } from '../caller.ts'
import type { Catalogue, Resolution } from './catalogue.ts'

/** One request for the list of models, or for one of them. */
export interface ModelListRequest {
  readonly catalogue: Catalogue
  readonly caller: Caller
  readonly exchange: Exchange
  /** `models`, or `models/` and the name, percent-encoded or not. */
  readonly rest: string
}

const prefix = 'models/'

/**
 * Answers `GET models` with exactly the names this key may call, aliases included, and `GET models/{name}` with one.
 * Clients that send `anthropic-version` get Anthropic's shapes. Wildcards are no names, but names that they match
 * are found one by one. Throws `model_not_found`, just as well for what the key may not call.
 */
export function answerModelList({ catalogue, caller, exchange, rest }: ModelListRequest): void {
  const isAnthropic = exchange.req.headers['anthropic-version'] !== undefined
  const shape = isAnthropic ? toAnthropicModel : toOpenAiModel
  if (rest.startsWith(prefix)) {
    const model = findModel(catalogue, caller, unescape(rest.slice(prefix.length)))
    return sendAnswer(exchange, 'data', jsonAnswer(200, shape(model)))
  }
  const models = callableModels(catalogue, caller).map(shape)
  const list = isAnthropic ? toAnthropicList(models) : { object: 'list', data: models }
  sendAnswer(exchange, 'data', jsonAnswer(200, list))
}

/** Everything of a fixed name that the caller may call, by name. */
function callableModels(catalogue: Catalogue, caller: Caller): Resolution[] {
  const { exact } = catalogue.workspace(caller.workspaceId).resolver
  return [...exact.values()]
    .filter(({ asked }) => caller.allowsModel(asked))
    .sort((left, right) => (left.asked < right.asked ? -1 : 1))
}

function findModel(catalogue: Catalogue, caller: Caller, name: string): Resolution {
  const resolution = caller.allowsModel(name)
    ? catalogue.resolve(caller.workspaceId, name)
    : undefined
  // A name that any provider would be tried with is a guess, not a model.
  if (resolution === undefined || resolution.via === 'any-provider') {
    throw new AppError('model_not_found', `The model "${name}" does not exist.`)
  }
  return resolution
}

interface ListedModel {
  readonly id: string
  readonly [field: string]: unknown
}

function toOpenAiModel({ asked, via, targets }: Resolution): ListedModel {
  const provider = targets[0]?.provider
  return {
    id: asked,
    object: 'model',
    created: Math.floor((provider?.createdAt ?? 0) / 1000),
    owned_by: via === 'alias' ? builtinProviderName : (provider?.name ?? builtinProviderName),
  }
}

function toAnthropicModel({ asked, targets }: Resolution): ListedModel {
  const createdAt = new Date(targets[0]?.provider.createdAt ?? 0).toISOString()
  return { type: 'model', id: asked, display_name: asked, created_at: createdAt }
}

function toAnthropicList(models: readonly ListedModel[]): object {
  return {
    data: models,
    has_more: false,
    first_id: models[0]?.id ?? null,
    last_id: models.at(-1)?.id ?? null,
  }
}
