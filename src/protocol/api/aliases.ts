import { z } from 'zod'
import { ModelName } from './providers.ts'

const changeable = {
  name: ModelName.describe('What clients ask for; a final `*` matches any rest.'),
  targets: z
    .array(
      z.strictObject({
        provider: z.string().min(1).max(100).describe('Id or name.'),
        model: ModelName.describe(
          'What the provider is sent. Where the alias ends with `*`, its first `*` stands for the matched rest.',
        ),
        weight: z.int().min(0).max(1000).default(1).describe('Share within its priority.'),
        priority: z.int().min(-1000).max(1000).default(0).describe('Lower is tried first.'),
      }),
    )
    .min(1)
    .max(100),
  enabled: z.boolean(),
}

/** Body of `POST /api/aliases`. */
export const NewAlias = z.strictObject({
  ...changeable,
  workspaceId: z.string().optional(),
  enabled: changeable.enabled.default(true),
})

/** Body of `PATCH /api/aliases/{id}`: what is left out stays. */
export const AliasChange = z.strictObject(changeable).partial()

/** An alias as the management API shows it. Times are ISO 8601. */
export const AliasView = z.object({
  id: z.string(),
  workspaceId: z.string(),
  name: z.string(),
  targets: z.array(
    z.object({
      providerId: z.string(),
      provider: z.string().nullable().describe('Its name; null when it is gone.'),
      model: z.string(),
      weight: z.number(),
      priority: z.number(),
    }),
  ),
  enabled: z.boolean(),
  resolves: z.boolean().describe('Whether the alias leads to any enabled provider.'),
  createdAt: z.string(),
  updatedAt: z.string(),
})

/** Answer of `GET /api/aliases`. */
export const AliasList = z.object({ aliases: z.array(AliasView) })

/** Query of `GET /api/aliases/resolve`. */
export const ResolveQuery = z.strictObject({
  model: z.string().min(1).max(1024),
  // Not `key`: that parameter carries a credential.
  keyId: z
    .string()
    .optional()
    .describe('Id of the key to answer for; the asking one where left out.'),
})

/** Answer of `GET /api/aliases/resolve`: where a request for the model would go, or why it would be refused. */
export const ResolveReport = z.object({
  model: z.string(),
  allowed: z.boolean().describe('Whether the key may ask for this name.'),
  via: z.enum(['alias', 'model', 'wildcard', 'any-provider', 'named-provider']).nullable(),
  targets: z
    .array(
      z.object({
        providerId: z.string(),
        provider: z.string(),
        model: z.string(),
        priority: z.number(),
        weight: z.number(),
        ready: z.boolean().describe('False while the provider is cooling down.'),
      }),
    )
    .describe('In the order of their priorities.'),
  refusal: z
    .object({ code: z.string(), message: z.string() })
    .nullable()
    .describe('The error a request would get; null when it would be sent.'),
})
