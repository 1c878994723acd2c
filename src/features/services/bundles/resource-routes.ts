import type { ClientProfile } from '../relay/relay.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import type { BundleLists } from './bundle-lists.ts'
import type { RouteTable } from './bundle-memory.ts'
import type { Introduction } from './member-hellos.ts'
import { compileMemberFilter } from './member-filter.ts'
import type { MemberRelays } from './member-relays.ts'
import type { Member, Omission } from './member.ts'
import { compileUriTemplate, type UriMatcher } from './uri-template.ts'

/** Finds out which member has a resource. */
export interface ResourceRoutes {
  /**
   * The member that has `uri`: that lists it, has the one template that it matches, or is the only one with resources at
   * all. Rejects with RpcError where there is none, or where it could be several.
   */
  memberOf(uri: string, requestId: string): Promise<Member>
  /** The same for what completion refers to: a template as it is listed, or a URI. */
  memberOfReference(uri: string, requestId: string): Promise<Member>
}

/** What resources are found with. */
export interface ResourceRoutesOptions {
  readonly lists: BundleLists
  readonly relays: MemberRelays
  readonly profile: ClientProfile
  readonly introductions: (requestId: string) => Promise<readonly Introduction[]>
}

/** Creates the routes of one client. */
export function createResourceRoutes(options: ResourceRoutesOptions): ResourceRoutes {
  const { lists, relays, profile } = options

  async function memberOf(uri: string, requestId: string): Promise<Member> {
    const exact = await lists.routesOf('resources', uri, requestId)
    const listed = exact.routes.map(({ key }) => key)
    if (listed.length > 0) return only(uri, listed)
    const table = await lists.table('templates', requestId)
    const matching = matchersOf(table).filter(({ matches }) => matches(uri))
    const keys = new Set(matching.flatMap((template) => template.keys))
    const allowed = [...keys].filter((key) => allowsUri(relays.find(key), uri))
    if (allowed.length > 0) return only(uri, allowed)
    return onlyOneWithResources(uri, { requestId, omitted: exact.table.omitted })
  }

  /** The member that all agree on. */
  function only(uri: string, keys: readonly string[]): Member {
    const members = keys.flatMap((key) => relays.find(key) ?? [])
    const [member] = members
    if (member === undefined) throw unknown(profile, uri, [])
    if (members.length > 1) throw ambiguous(uri, members)
    return member
  }

  async function onlyOneWithResources(
    uri: string,
    { requestId, omitted }: { requestId: string; omitted: readonly Omission[] },
  ): Promise<Member> {
    const introductions = await options.introductions(requestId)
    const able = introductions.filter(
      ({ hello }) => hello === undefined || 'resources' in hello.capabilities,
    )
    const [first, ...others] = able
    const isSure = first?.hello !== undefined && others.length === 0
    if (isSure && allowsUri(first.member, uri)) return first.member
    throw unknown(profile, uri, omitted)
  }

  return {
    memberOf,
    async memberOfReference(uri, requestId) {
      const { routes } = await lists.routesOf('templates', uri, requestId)
      const keys = routes.map(({ key }) => key)
      return keys.length > 0 ? only(uri, keys) : memberOf(uri, requestId)
    },
  }
}

interface TemplateRoute {
  readonly matches: UriMatcher
  readonly keys: readonly string[]
}

const compiled = new WeakMap<RouteTable, readonly TemplateRoute[]>()

function matchersOf(table: RouteTable): readonly TemplateRoute[] {
  const known = compiled.get(table)
  if (known !== undefined) return known
  const templates = [...table.routes].flatMap(([template, routes]) => {
    const matches = compileUriTemplate(template)
    return matches === undefined ? [] : [{ matches, keys: routes.map(({ key }) => key) }]
  })
  compiled.set(table, templates)
  return templates
}

function allowsUri(member: Member | undefined, uri: string): boolean {
  return member !== undefined && compileMemberFilter(member.filter).allowsUri(uri)
}

function unknown({ era }: ClientProfile, uri: string, omitted: readonly Omission[]): RpcError {
  const code = era === 'legacy' ? rpcCodes.legacyResourceNotFound : rpcCodes.invalidParams
  return new RpcError(code, `Resource not found: ${uri}`, {
    uri,
    ...(omitted.length > 0 && { omitted }),
  })
}

function ambiguous(uri: string, members: readonly Member[]): RpcError {
  const services = members.map(({ endpoint }) => endpoint.name)
  const message = `Several services have the resource ${uri}: ${services.join(', ')}.`
  return new RpcError(rpcCodes.invalidParams, message, { uri, code: 'conflict', services })
}
