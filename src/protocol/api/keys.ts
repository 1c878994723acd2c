import { z } from 'zod'
import { scopes } from '../../lib/principal.ts'
import { DisplayName, ModelName } from './providers.ts'

/** So that the largest budget in nano dollars is still an exact integer. */
const usdMax = 9_000_000
const perMinuteMax = 1_000_000_000
const namesMax = 1000

/** A moment: ISO 8601 with an offset, or epoch ms. Becomes epoch ms. */
const Moment = z
  .union([z.iso.datetime({ offset: true }), z.int().nonnegative().max(8.64e15)])
  .transform((moment) => (typeof moment === 'number' ? moment : Date.parse(moment)))

/** An entry of an allow-list. */
const AllowedName = ModelName.regex(/^[^*]*\*?$/, { error: 'may have a * at its end only' })

/** An upper bound a minute or at a time. Zero lets nothing through. */
const bound = z.int().nonnegative().max(perMinuteMax).nullable()

const usd = z.number().nonnegative().max(usdMax).nullable()

/** US dollars a UTC day, a week from Monday, a month, and in all; null for no bound. */
export const Budget = z.strictObject({
  day: usd.optional(),
  week: usd.optional(),
  month: usd.optional(),
  total: usd.optional(),
})

const changeable = {
  name: DisplayName,
  scopes: z
    .array(z.enum(scopes))
    .max(scopes.length)
    .describe('What the key may do. `admin` includes every other scope.'),
  expiresAt: Moment.nullable().describe('ISO 8601 or epoch ms; null for never.'),
  enabled: z.boolean(),
  allowedModels: z
    .array(AllowedName)
    .max(namesMax)
    .nullable()
    .describe('Names as clients ask for them: exact, `prefix*` or `*`; null allows all.'),
  allowedServices: z.array(AllowedName).max(namesMax).nullable(),
  requestsPerMinute: bound,
  tokensPerMinute: bound,
  concurrentRequests: bound,
  budget: Budget.describe('Upper bounds in US dollars.'),
  allowQuery: z.boolean().describe('Whether the key may come in the query string.'),
  allowUnpriced: z
    .boolean()
    .describe('Whether a key with a budget may call models that have no price.'),
  defaultProvider: z
    .string()
    .min(1)
    .max(100)
    .nullable()
    .describe('Id or name of the provider for requests that name none.'),
  cacheResponses: z.boolean(),
  logPrompts: z.boolean(),
}

/** Body of `POST /api/keys`. */
export const NewKey = z.strictObject({
  ...changeable,
  workspaceId: z.string().optional(),
  parentId: z
    .string()
    .nullable()
    .optional()
    .describe('A key whose limits, budget and allow-lists bound this one too.'),
  scopes: changeable.scopes.default(['models:use']),
  expiresAt: changeable.expiresAt.default(null),
  enabled: changeable.enabled.default(true),
  allowedModels: changeable.allowedModels.default(null),
  allowedServices: changeable.allowedServices.default(null),
  requestsPerMinute: bound.default(null),
  tokensPerMinute: bound.default(null),
  concurrentRequests: bound.default(null),
  budget: changeable.budget.default({}),
  allowQuery: changeable.allowQuery.default(false),
  allowUnpriced: changeable.allowUnpriced.default(false),
  defaultProvider: changeable.defaultProvider.default(null),
  cacheResponses: changeable.cacheResponses.default(false),
  logPrompts: changeable.logPrompts.default(false),
})

/** Body of `PATCH /api/keys/{id}`: what is left out stays, in the budget too. */
export const KeyChange = z.strictObject(changeable).partial()

/** A key as the management API shows it. Times are ISO 8601, money is US dollars. */
export const KeyView = z.object({
  id: z.string(),
  workspaceId: z.string(),
  parentId: z.string().nullable(),
  name: z.string(),
  prefix: z.string().describe('First characters of the key, for recognising it.'),
  last4: z.string().describe('Empty where the key is too short to show any of it.'),
  scopes: z.array(z.enum(scopes)),
  enabled: z.boolean(),
  expiresAt: z.string().nullable(),
  allowedModels: z.array(z.string()).nullable(),
  allowedServices: z.array(z.string()).nullable(),
  requestsPerMinute: z.number().nullable(),
  tokensPerMinute: z.number().nullable(),
  concurrentRequests: z.number().nullable(),
  budget: z.object({
    day: z.number().nullable(),
    week: z.number().nullable(),
    month: z.number().nullable(),
    total: z.number().nullable(),
  }),
  allowQuery: z.boolean(),
  allowUnpriced: z.boolean(),
  defaultProviderId: z.string().nullable(),
  cacheResponses: z.boolean(),
  logPrompts: z.boolean(),
  createdAt: z.string(),
  updatedAt: z.string(),
})

/** Answer of `POST /api/keys` and `POST /api/keys/{id}/rotate`: the only time the key’s text is shown. */
export const IssuedKey = KeyView.extend({ key: z.string() })

/** Answer of `GET /api/keys`. */
export const KeyList = z.object({ keys: z.array(KeyView) })
