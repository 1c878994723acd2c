import type { InputDeclaration, MissingInput, PortableService } from './portable-service.ts'
import { looksSecret } from './secret-names.ts'

/** Written for a value that is to be asked for, in every format once it is read. */
export function placeholder(name: string): string {
  return `\${input:${name}}`
}

const inputPattern = /\$\{input:([^}]+)\}/g

/** `${env:X}`, `${X}` and `${X:-default}` as clients write them, and names like `${workspaceFolder}`. */
const clientPattern = /\$\{(?:env:|input:)?([A-Za-z_][\w.-]*)(?::-([^}]*))?\}/g

/**
 * Turns the placeholders of clients into ours. They stand for the client's environment or machine, never for ours: what
 * has no default becomes something to ask for.
 */
export function adoptPlaceholders(text: string): string {
  return text.replaceAll(clientPattern, (_whole, name: string, fallback: string | undefined) =>
    fallback === undefined ? placeholder(name) : fallback,
  )
}

/** Says whether a text still has placeholders. */
function hasPlaceholder(text: string): boolean {
  return namesIn(text).length > 0
}

function namesIn(text: string): string[] {
  return [...text.matchAll(inputPattern)].map(([, name = '']) => name)
}

/** A service with its placeholders filled in as far as values are known, and what is missing. */
export interface FilledService {
  readonly service: PortableService
  readonly missing: readonly MissingInput[]
}

/**
 * Fills in the placeholders of a service. A value that is secret, by its name, by what the document says or by what it
 * looks like, is sealed. With something missing, the service is disabled, and the placeholder stays where it was.
 */
export function fillIn(
  service: PortableService,
  declared: ReadonlyMap<string, InputDeclaration>,
  values: Readonly<Record<string, string>>,
): FilledService {
  const fieldsByName = new Map<string, string[]>()
  const fill = (text: string, field: string): string =>
    text.replaceAll(inputPattern, (whole, name: string) => {
      if (Object.hasOwn(values, name)) return values[name] as string
      fieldsByName.set(name, [...(fieldsByName.get(name) ?? []), field])
      return whole
    })
  const isSecretText = (text: string): boolean =>
    namesIn(text).some((name) => declared.get(name)?.isSecret === true)
  const fillValue = (value: Value, [name, field]: [string, string]): Value => {
    if (typeof value !== 'string') {
      return 'secret' in value ? seal(fill(value.secret, field)) : value
    }
    const filled = fill(value, field)
    return isSecretText(value) || looksSecret(name, filled) ? seal(filled) : filled
  }
  const upstream = fillUpstream(service.body.upstream, fill, fillValue)
  const missing = [...fieldsByName].map(([name, fields]) => toMissing(name, fields, declared))
  const enabled = missing.length === 0 ? {} : { enabled: false }
  return { service: { ...service, body: { ...service.body, ...enabled, upstream } }, missing }
}

/** What cannot be used yet is no secret, and has to be seen to be filled in. */
function seal(text: string): Value {
  return hasPlaceholder(text) ? text : { secret: text }
}

function toMissing(
  name: string,
  fields: readonly string[],
  declared: ReadonlyMap<string, InputDeclaration>,
): MissingInput {
  const { description = '', isSecret } = declared.get(name) ?? {}
  const isGuessed = looksSecret(name, '') || fields.some((field) => looksSecret(field, ''))
  return { name, description, isSecret: isSecret ?? isGuessed, fields: [...new Set(fields)] }
}

type Upstream = PortableService['body']['upstream']
type Value = NonNullable<Extract<Upstream, { kind: 'process' }>['env']>[string]

function fillUpstream(
  upstream: Upstream,
  fill: (text: string, field: string) => string,
  fillValue: (value: Value, names: [string, string]) => Value,
): Upstream {
  const fillAll = (values: Readonly<Record<string, Value>> | undefined, field: string) =>
    values &&
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => [
        name,
        fillValue(value, [name, `${field}.${name}`]),
      ]),
    )
  switch (upstream.kind) {
    case 'builtin':
      return upstream
    case 'remote': {
      const url = fill(upstream.url, 'url')
      const headers = fillAll(upstream.headers, 'headers')
      return { ...upstream, url, ...(headers && { headers }) }
    }
    case 'process': {
      const { cwd } = upstream
      const command = fill(upstream.command, 'command')
      const args = upstream.args?.map((arg, at) => fill(arg, `args.${at}`))
      const folder = typeof cwd === 'string' ? { cwd: fill(cwd, 'cwd') } : {}
      const env = fillAll(upstream.env, 'env')
      return { ...upstream, command, ...(args && { args }), ...folder, ...(env && { env }) }
    }
  }
}
