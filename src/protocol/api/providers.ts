import { z } from 'zod'

const dayMs = 24 * 60 * 60 * 1000
const listMax = 2000

/** Header names that belong to the connection or are computed by us, and so cannot be set for a provider. */
const headersOfOurs = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** A name given by people: visible text in one line. */
export const DisplayName = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .regex(/^\P{Cc}*$/u, { error: 'must not contain control characters' })

/** A model name: any text in one line, taken verbatim but for spaces around it. */
export const ModelName = z
  .string()
  .trim()
  .min(1)
  .max(256)
  .regex(/^\P{Cc}*$/u, { error: 'must not contain control characters' })

/** What a provider may be. */
export const ProviderKind = z.enum(['openai', 'azure', 'anthropic', 'ollama', 'custom'])

/** The text of a credential, as it goes into a header; empty or null for none. */
const CredentialText = z
  .string()
  .trim()
  .max(4096)
  .regex(/^[\x21-\x7e]*$/, { error: 'must consist of visible ASCII characters without spaces' })

const CredentialInput = z.union([
  CredentialText.min(1),
  z.strictObject({ label: DisplayName, key: CredentialText.min(1) }),
])

/** Further request headers of a provider. */
const ProviderHeaders = z
  .record(
    z
      .string()
      .max(100)
      .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, { error: 'is not a header name' })
      .refine((name) => !headersOfOurs.has(name.toLowerCase()), {
        error: 'is a header that is set by Portico itself',
      }),
    z
      .string()
      .trim()
      .max(4096)
      .regex(/^[\t\x20-\x7e\x80-\xff]*$/, { error: 'is not a header value' }),
  )
  .refine((headers) => Object.keys(headers).length <= 32, { error: 'must not exceed 32 headers' })

const usd = z.number().nonnegative().max(1_000_000)

/** What one model costs, US dollars: per million tokens, and per request. */
const ModelPrice = z.strictObject({
  input: usd,
  output: usd,
  cachedInput: usd.optional(),
  perRequest: usd.optional(),
})

/** Prices by model name, `prefix*` or `*`. */
export const ProviderPrices = z.record(ModelName, ModelPrice)

const timeoutMs = z.int().positive().max(dayMs)

/** Timeouts of a provider, ms, where they differ from the configuration. */
export const ProviderTimeouts = z.strictObject({
  connectMs: timeoutMs.optional(),
  firstByteMs: timeoutMs.optional(),
  idleMs: timeoutMs.optional(),
  totalMs: timeoutMs.optional(),
})

/** Switches of a provider. */
export const ProviderOptions = z.strictObject({
  injectUsage: z
    .boolean()
    .optional()
    .describe(
      'Ask for usage in streams where the client did not, and keep the event that brings it from the client. Happens only for keys with a budget or a token limit. A provider that refuses is asked again without. Default true.',
    ),
  forwardOrganization: z
    .boolean()
    .optional()
    .describe('Pass OpenAI-Organization and OpenAI-Project on. Default true.'),
  keepAliveComments: z
    .boolean()
    .optional()
    .describe('Send comments into silent event streams. Default true.'),
  apiVersion: z
    .string()
    .regex(/^[0-9A-Za-z._-]{1,40}$/)
    .nullable()
    .optional()
    .describe('Value of ?api-version=, for Azure.'),
})

const changeable = {
  name: DisplayName,
  kind: ProviderKind,
  baseUrl: z.string().trim().min(1).max(2048),
  apiKey: CredentialText.nullable().describe('The one credential; null for none.'),
  apiKeys: z
    .array(CredentialInput)
    .max(100)
    .describe('Several credentials, used in turn. Replaces all.'),
  headers: ProviderHeaders,
  models: z
    .array(ModelName)
    .max(listMax)
    .describe('Names the provider serves: `name`, `alias@name`, `prefix*`, or `*`.'),
  enabled: z.boolean(),
  weight: z.int().min(0).max(1000),
  priority: z.int().min(-1000).max(1000).describe('Lower is tried first.'),
  prices: ProviderPrices,
  timeouts: ProviderTimeouts,
  options: ProviderOptions,
  allowPrivate: z
    .boolean()
    .describe('Allow exactly this host and port although its address is private.'),
}

/** Body of `POST /api/providers`. */
export const NewProvider = z
  .strictObject({
    ...changeable,
    workspaceId: z.string().optional(),
    apiKey: changeable.apiKey.optional(),
    apiKeys: changeable.apiKeys.optional(),
    headers: changeable.headers.default({}),
    models: changeable.models.default([]),
    enabled: changeable.enabled.default(true),
    weight: changeable.weight.default(1),
    priority: changeable.priority.default(0),
    prices: changeable.prices.default({}),
    timeouts: changeable.timeouts.default({}),
    options: changeable.options.default({}),
    allowPrivate: changeable.allowPrivate.default(false),
  })
  .refine(hasOneKindOfCredential, { error: 'give apiKey or apiKeys, not both', path: ['apiKeys'] })

/**
 * Body of `PATCH /api/providers/{id}`: what is left out stays; a list or an object that is given replaces the old one.
 * A header value of `[secret]` keeps the stored one. With a base URL of another origin secrets have to be given again.
 */
export const ProviderChange = z
  .strictObject(changeable)
  .partial()
  .refine(hasOneKindOfCredential, { error: 'give apiKey or apiKeys, not both', path: ['apiKeys'] })

/** A provider as the management API shows it. Times are ISO 8601. */
export const ProviderView = z.object({
  id: z.string(),
  workspaceId: z.string(),
  name: z.string(),
  kind: z.enum([...ProviderKind.options, 'builtin']),
  baseUrl: z.string(),
  credentials: z.array(
    z.object({
      id: z.string(),
      label: z.string(),
      last4: z.string().describe('Empty where the credential is too short to show any of it.'),
    }),
  ),
  headers: z.record(z.string(), z.string()).describe('Values that look secret read `[secret]`.'),
  models: z.array(z.string()),
  enabled: z.boolean(),
  weight: z.number(),
  priority: z.number(),
  prices: ProviderPrices,
  timeouts: ProviderTimeouts,
  options: ProviderOptions,
  allowPrivate: z.boolean(),
  health: z.object({
    state: z
      .enum(['ready', 'cooling', 'disabled', 'unreadable'])
      .describe('`unreadable`: its credentials were sealed with a master key that is gone.'),
    retryInMs: z.number().describe('0 unless cooling.'),
  }),
  createdAt: z.string(),
  updatedAt: z.string(),
})

/** Answer of `GET /api/providers`. */
export const ProviderList = z.object({ providers: z.array(ProviderView) })

/** Answer of `POST /api/providers/{id}/check`. */
export const ProviderReport = z.object({
  ok: z.boolean(),
  status: z
    .number()
    .nullable()
    .describe('HTTP status of the provider; null when it did not answer.'),
  latencyMs: z.number(),
  models: z.array(z.string()).describe('What the provider says it serves.'),
  missing: z.array(z.string()).describe('Listed here, but not among what the provider serves.'),
  error: z.string().optional(),
})

function hasOneKindOfCredential(body: { apiKey?: unknown; apiKeys?: unknown }): boolean {
  return body.apiKey === undefined || body.apiKeys === undefined
}
