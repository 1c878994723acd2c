import { z } from 'zod'

/** Query fields of a list that is read in pages, newest first. */
export const pageFields = {
  cursor: z
    .string()
    .regex(/^[0-9]{1,15}$/, { error: 'is not a cursor' })
    .optional()
    .describe('`nextCursor` of the page before; the newest page where left out.'),
  limit: z.coerce.number().int().min(1).max(500).default(50),
}

/** Where the next page begins; null on the last one. */
export const NextCursor = z.string().nullable()
