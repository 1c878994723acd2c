/** What a key may be allowed to do. `admin` implies every other scope, `manage` only the management of its own workspace. */
export const scopes = [
  'models:use',
  'services:use',
  'services:run-command',
  'tunnels:register',
  'rooms:join',
  'files:write',
  'manage',
  'admin',
] as const

/** One scope of a key. */
export type Scope = (typeof scopes)[number]

/** Who asks, once a credential has been verified: the key, its tenant and what it may do. */
export interface Principal {
  readonly keyId: string
  readonly workspaceId: string
  readonly scopes: ReadonlySet<Scope>
}

/** Says whether the principal may do what `scope` names. */
export function hasScope(principal: Principal, scope: Scope): boolean {
  return principal.scopes.has('admin') || principal.scopes.has(scope)
}
