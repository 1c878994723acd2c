import type { ClientProfile } from '../relay/relay.ts'
import { objectAt, textAt } from '../wire/json.ts'
import { resultOf } from '../wire/rpc-message.ts'
import { ask, metaFor } from './ask.ts'
import type { BundleMemory, MemberHello } from './bundle-memory.ts'
import type { ListReason } from './bundle-lists.ts'
import type { MemberRelays } from './member-relays.ts'
import { keyOf, type Member } from './member.ts'

/** A member and what it says of itself; no hello where it did not say anything in time, nor ever before. */
export interface Introduction {
  readonly member: Member
  readonly hello: MemberHello | undefined
}

/** What members are asked with. */
export interface HelloOptions {
  readonly relays: MemberRelays
  readonly memory: BundleMemory
  readonly profile: ClientProfile
}

/** Asks all members of a client at once what they are. Never rejects. */
export function askHellos(
  options: HelloOptions,
  reason: ListReason,
): Promise<readonly Introduction[]> {
  return Promise.all(options.relays.visible().map((member) => askHello(options, member, reason)))
}

/** Asks a member what it is. Never rejects; one that is late is taken for what it was the last time. */
export async function askHello(
  { relays, memory, profile }: HelloOptions,
  member: Member,
  reason: ListReason,
): Promise<Introduction> {
  const key = keyOf(member)
  const question = { ...reason, ...introductionOf(profile, reason) }
  const hello = await Promise.try(() => ask(relays.open(member).relay, question)).then(
    (response) => {
      const result = resultOf(response)
      const instructions = textAt(result, 'instructions')
      return { capabilities: objectAt(result, 'capabilities'), instructions }
    },
    () => undefined,
  )
  if (hello !== undefined) memory.rememberHello(profile, key, hello)
  return { member, hello: hello ?? memory.hello(profile, key) }
}

function introductionOf(profile: ClientProfile, { meta }: ListReason) {
  if (profile.era === 'modern') {
    return { method: 'server/discover', params: { _meta: metaFor(profile, meta) } }
  }
  const { protocolVersion, capabilities, clientInfo } = profile
  return { method: 'initialize', params: { protocolVersion, capabilities, clientInfo } }
}
