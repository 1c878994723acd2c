import { isIP } from 'node:net'
import { z } from 'zod'
import { isPlaceholder, isTemplateText } from './placeholder.ts'
import { Secret } from './secret.ts'

const encryptionKeyCharsMin = 32
const adminKeyCharsMin = 8

// How the reference tells a secret from other text.
const secretMeta = { format: 'secret' }

/** A TCP port; 0 lets the system choose a free one. */
export const port = z.int().min(0).max(65_535)

// Node's timers take a longer delay for 1 ms.
const delayMsMax = 2 ** 31 - 1

/** A duration in ms, longer than nothing and short enough for a timer. */
export const durationMs = z.int().positive().max(delayMsMax)

/** A size in bytes that must be larger than nothing. */
export const sizeBytes = z.int().positive()

/** A number of things, 0 included. */
export const count = z.int().nonnegative()

/** The base URL under which one of the listeners is known outside: `http` or `https`, without credentials, query or fragment. */
export const listenerUrl = z.url({ protocol: /^https?$/ }).refine(isPlainUrl, {
  error: 'must not contain credentials, a query or a fragment',
})

/** A web origin as a browser sends it, e.g. `https://app.example.com`; or `*` for any. */
export const origin = z
  .string()
  .refine((text) => text === '*' || (URL.canParse(text) && new URL(text).origin === text), {
    error:
      'must be an origin such as https://app.example.com, without a path or a final slash, or *',
  })

/** A host name or address as it appears in a Host header, with or without a port. */
export const hostName = z.string().regex(/^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/i, {
  error: 'must be a host name or an address, optionally with a port',
})

/** A network in CIDR notation, or a single address. */
export const network = z.string().refine(isNetwork, {
  error: 'must be an address or a network such as 10.0.0.0/8 or fd00::/8',
})

/** The text of a management key: what an HTTP header can carry, at least 8 characters. */
export const adminKey = secretText()
  .min(adminKeyCharsMin, { error: `must have at least ${adminKeyCharsMin} characters` })
  .regex(/^[\x21-\x7e]*$/, { error: 'must consist of visible ASCII characters without spaces' })
  .meta(secretMeta)
  .transform(toSecret)

/** A master key: any text of at least 32 characters, or 32 bytes written as hex or base64. */
export const encryptionKey = secretText()
  .min(encryptionKeyCharsMin, {
    error: `must have at least ${encryptionKeyCharsMin} characters, e.g. the output of: openssl rand -base64 32`,
  })
  .meta(secretMeta)
  .transform(toSecret)

/** The address of a PostgreSQL database, or a SQLite file. Secret, because it may contain a password. */
export const databaseUrl = connectionUrl(
  /^(postgres(ql)?:\/\/|sqlite:|file:)|^[^:]+\.(db|sqlite)$/i,
  'must be of the form postgres://user:password@host/database or sqlite:path, or a path that ends in .db',
)
  .meta(secretMeta)
  .transform(toSecret)

/** The address of a Redis server. Secret, because it may contain a password. */
export const redisUrl = connectionUrl(
  /^rediss?:\/\//i,
  'must be a URL of the form redis://… or rediss://…',
)
  .meta(secretMeta)
  .transform(toSecret)

function secretText() {
  return z.string().refine((text) => !isPlaceholder(text), {
    error: 'is empty or a placeholder: set a secret of your own, or leave it out',
    abort: true,
  })
}

function connectionUrl(form: RegExp, error: string) {
  return z
    .string()
    .regex(form, { error, abort: true })
    .refine((text) => !isTemplateText(passwordOf(text)), {
      error: 'contains a placeholder instead of a password',
    })
}

// From the text, not from `URL`: there, the password is percent-encoded, and not every such text can be decoded.
function passwordOf(url: string): string {
  return /:\/\/[^:@/]*:([^@]*)@/.exec(url)?.[1] ?? ''
}

function toSecret(text: string): Secret {
  return new Secret(text)
}

function isPlainUrl(text: string): boolean {
  const url = new URL(text)
  return `${url.username}${url.password}${url.search}${url.hash}` === ''
}

function isNetwork(text: string): boolean {
  const [address = '', prefix] = text.split('/', 2)
  const family = isIP(address)
  if (family === 0) return false
  const bitsMax = family === 4 ? 32 : 128
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bitsMax)
}
