/** A JSON object, parsed. */
export type JsonObject = { readonly [name: string]: unknown }

/** One line of a client: its text, and what the bridge has to know of it. */
export interface Message {
  /** As it came; that is what is sent on. */
  readonly line: string
  readonly kind: 'request' | 'notification' | 'response'
  /** JSON text of the id; empty for a notification. */
  readonly id: string
  /** Empty for a response. */
  readonly method: string
  readonly params: JsonObject
}

/** Error code of what the bridge itself has to say; the range is that of implementations (JSON-RPC 2.0, section 5.1). */
const bridgeError = -32_000
const parseError = -32_700
const invalidRequest = -32_600

/** Reads one line. Returns the line to answer with where it is no message. */
export function readMessage(line: string): Message | { readonly refusal: string } {
  const value = parseJson(line)
  if (value === undefined)
    return { refusal: errorLine('null', 'Parse error', { code: parseError }) }
  if (!isObject(value))
    return { refusal: errorLine('null', 'Invalid Request', { code: invalidRequest }) }
  const { id, method, params } = value
  const hasId = typeof id === 'string' || typeof id === 'number'
  const common = {
    line,
    id: hasId ? JSON.stringify(id) : '',
    params: isObject(params) ? params : {},
  }
  if (typeof method === 'string') {
    return { ...common, kind: hasId ? 'request' : 'notification', method }
  }
  if (hasId && ('result' in value || 'error' in value)) {
    return { ...common, kind: 'response', method: '' }
  }
  return { refusal: errorLine('null', 'Invalid Request', { code: invalidRequest }) }
}

/** Says whether a text is the answer to the request, and gives it parsed. */
export function answerTo({ id }: Message, text: string): JsonObject | undefined {
  // Most of what passes is no answer and need not be parsed to be told from one.
  if (!text.includes('"result"') && !text.includes('"error"')) return undefined
  const value = parseJson(text)
  if (!isObject(value) || 'method' in value) return undefined
  return JSON.stringify(value['id']) === id ? value : undefined
}

/** The line of an error response. `id` is JSON text. */
export function errorLine(
  id: string,
  message: string,
  { code = bridgeError, data }: { readonly code?: number; readonly data?: unknown } = {},
): string {
  const error = { code, message, ...(data === undefined ? {} : { data }) }
  return `{"jsonrpc":"2.0","id":${id},"error":${JSON.stringify(error)}}`
}

/** Says what a refusal over HTTP was, as the error response to a request. */
export function refusalLine({ id }: Message, status: number, body: string): string {
  const value = parseJson(body)
  const error = isObject(value) && isObject(value['error']) ? value['error'] : {}
  const { code, message, data, hint } = error
  const text = typeof message === 'string' ? message : `The server answers ${status}.`
  if (typeof code === 'number') return errorLine(id, text, { code, data })
  const whole = typeof hint === 'string' ? `${text} ${hint}` : text
  return errorLine(id, whole, { data: { status, ...(typeof code === 'string' && { code }) } })
}

/** The value of JSON text; undefined where it is none. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Says whether a parsed value is a JSON object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
