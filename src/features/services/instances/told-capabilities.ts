import type { ClientProfile } from '../relay/relay.ts'
import type { Service } from '../service.ts'
import type { ClientHello } from '../upstream/connection.ts'
import { isJsonObject, type JsonObject } from '../wire/json.ts'

/** As what a client is introduced to a server, and what tells clients apart that must not share a connection. */
export interface Introduction {
  readonly hello: ClientHello
  /** Clients with the same key can share one connection to a legacy server, as far as capabilities go. */
  readonly key: string
}

/** Portico as a client that can be asked nothing. `clientInfo`: its own name and version. */
export function introducePlainly(clientInfo: JsonObject): Introduction {
  return { hello: { capabilities: {}, clientInfo }, key: '' }
}

/**
 * What a legacy server is told of a client. A connection that belongs to one session repeats what the client said of
 * itself; one that several share is told only what Portico can pass on to the right one.
 */
export function introduce(
  { settings }: Pick<Service, 'settings'>,
  profile: Pick<ClientProfile, 'capabilities' | 'clientInfo' | 'era' | 'sessionId'>,
  clientInfo: JsonObject,
): Introduction {
  const { capabilities } = profile
  if (!settings.interactive) return introducePlainly(clientInfo)
  const isPrivate = settings.isolation === 'per-session' && profile.sessionId !== undefined
  if (isPrivate && profile.era === 'legacy') {
    return { hello: { capabilities, clientInfo: profile.clientInfo }, key: 'own' }
  }
  const told = shareable(capabilities)
  const key = Object.keys(told).length === 0 ? '' : JSON.stringify(told)
  return { hello: { capabilities: told, clientInfo }, key }
}

/** Says whether a server that was told this may ask the client something. */
export function canAsk({ hello }: Introduction): boolean {
  const { elicitation, sampling, roots } = hello.capabilities
  return elicitation !== undefined || sampling !== undefined || roots !== undefined
}

/** The capabilities that concern one call, in a form that is equal for equal clients. */
function shareable({ elicitation, sampling, roots }: JsonObject): JsonObject {
  return {
    ...(elicitation === undefined ? {} : { elicitation: flags(elicitation, ['form', 'url']) }),
    ...(roots === undefined ? {} : { roots: {} }),
    ...(sampling === undefined ? {} : { sampling: flags(sampling, ['context', 'tools']) }),
  }
}

function flags(value: unknown, names: readonly string[]): JsonObject {
  if (!isJsonObject(value)) return {}
  return Object.fromEntries(
    names.filter((name) => value[name] !== undefined).map((name) => [name, {}]),
  )
}
