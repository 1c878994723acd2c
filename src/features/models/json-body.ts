import type { z } from 'zod'
import { AppError } from '../../lib/errors.ts'

/** Part of every supported Node.js, but not of the typings yet. */
const { rawJSON } = JSON as unknown as { rawJSON: (this: void, text: string) => object }

/**
 * The value of a JSON text, or `undefined` if it is not JSON.
 * Integers that a double cannot hold become raw JSON values, which `JSON.stringify` writes back digit by digit.
 */
export function parseJson(text: string): unknown {
  try {
    return /\d{16}/.test(text) ? JSON.parse(text, keepDigits) : JSON.parse(text)
  } catch {
    return undefined
  }
}

function keepDigits(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
  const source = context?.source ?? ''
  return /^-?\d+$/.test(source) ? rawJSON(source) : value
}

/** The body of a request as `schema` describes it. Throws `invalid_request` that names the first mistake and its place. */
export function parseBody<Schema extends z.ZodType>(
  schema: Schema,
  body: Uint8Array | string,
): z.output<Schema> {
  const text = typeof body === 'string' ? body : Buffer.from(body).toString()
  const value = parseJson(text)
  if (value === undefined) throw new AppError('invalid_request', 'The body is not valid JSON.')
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new AppError('invalid_request', ...describeIssues(result.error))
}

/** Message and details for the mistakes that zod found: the first one in the message, all of them as issues. */
export function describeIssues(
  error: z.ZodError,
): [message: string, details: { param: string; issues: { path: string; message: string }[] }] {
  const issues = error.issues.map((issue) => ({
    path: formatPath(issue.path),
    message: issue.message,
  }))
  const first = issues[0] ?? { path: '', message: 'Invalid input' }
  return [`${first.path || 'body'}: ${first.message}.`, { param: first.path, issues }]
}

/** `messages[0].content` from its parts. */
function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '')
}
