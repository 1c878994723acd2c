import { z } from 'zod'

/** What every route of the management API answers when it refuses or fails. */
export const ErrorBody = z.object({
  error: z.object({
    code: z.string().describe('Stable; docs/errors.md says what each means.'),
    message: z.string(),
    hint: z.string().describe('What to do about it.'),
    param: z.string().optional().describe('The offending parameter.'),
    issues: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .describe('Every single mistake, under its path in the request.'),
    requestId: z.string().describe('To be found in the log.'),
  }),
})
