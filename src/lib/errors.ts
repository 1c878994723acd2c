/** One row of the closed set of error codes: its HTTP status, what it means, and what the reader can do. */
interface ErrorDefinition {
  readonly status: number
  readonly meaning: string
  readonly remedy: string
}

/** Every code Portico answers with. Codes are stable API: never renamed, never reused. `docs/errors.md` is written from this table. */
export const errorDefinitions = {
  // Requests
  invalid_request: {
    status: 400,
    meaning: 'The request is malformed.',
    remedy: 'Correct what the message names.',
  },
  unknown_field: {
    status: 400,
    meaning: 'The body has a field that does not exist.',
    remedy: 'Remove the field; see /api/docs.',
  },
  invalid_path: {
    status: 400,
    meaning: 'The path has an encoded slash, a NUL, a backslash or a dot segment above the root.',
    remedy: 'Send a plain path.',
  },
  invalid_framing: {
    status: 400,
    meaning: 'The HTTP message could be read in two ways.',
    remedy: 'Use a standard HTTP client; check the proxy in front.',
  },
  not_found: {
    status: 404,
    meaning: 'There is nothing here, or this key may not know of it.',
    remedy: 'Check the path and the id.',
  },
  method_not_allowed: {
    status: 405,
    meaning: 'The path does not answer to this method.',
    remedy: 'See the Allow header.',
  },
  conflict: {
    status: 409,
    meaning: 'The name is taken, or the object was changed meanwhile.',
    remedy: 'Choose another name, or read again and retry.',
  },
  reserved_name: {
    status: 409,
    meaning: 'The name collides with a path of Portico itself.',
    remedy: 'Choose another name.',
  },
  request_too_large: {
    status: 413,
    meaning: 'The body is larger than this route accepts.',
    remedy: 'Send less, or raise the limit in the configuration.',
  },
  uri_too_long: {
    status: 414,
    meaning: 'The URL is longer than is accepted.',
    remedy: 'Send a shorter URL; put long values into the body.',
  },
  headers_too_large: {
    status: 431,
    meaning: 'The headers are too large or too many.',
    remedy: 'Send fewer or shorter headers.',
  },
  expectation_failed: {
    status: 417,
    meaning: 'The Expect header asks for something other than 100-continue.',
    remedy: 'Leave the Expect header out.',
  },
  request_timeout: {
    status: 408,
    meaning: 'The body did not arrive in time.',
    remedy: 'Send faster, or raise the limit in the configuration.',
  },
  unsupported_media_type: {
    status: 415,
    meaning: 'The content type or content encoding is not accepted here.',
    remedy: 'Send what the route documents.',
  },
  upgrade_required: {
    status: 426,
    meaning: 'WebSocket is not offered on this route.',
    remedy: 'Use POST; streaming works with server-sent events.',
  },
  misdirected_host: {
    status: 421,
    meaning: 'The Host header names a host that is not configured.',
    remedy: 'Add the host to server.allowedHosts or set server.publicUrl.',
  },
  origin_not_allowed: {
    status: 403,
    meaning: 'The Origin header names a web page that is not allowed.',
    remedy: 'Add the origin to server.allowedOrigins.',
  },
  http_version_not_supported: {
    status: 505,
    meaning: 'The request line names an HTTP version that is not spoken here.',
    remedy: 'Use HTTP/1.1.',
  },
  // Credentials
  invalid_api_key: {
    status: 401,
    meaning: 'There is no key, or it is unknown.',
    remedy: 'Send a valid key as Authorization: Bearer.',
  },
  key_expired: { status: 401, meaning: 'The key has expired.', remedy: 'Ask for a new key.' },
  key_disabled: {
    status: 401,
    meaning: 'The key, or a key above it, is disabled.',
    remedy: 'Ask whoever manages the key.',
  },
  query_key_not_allowed: {
    status: 401,
    meaning: 'The key came in the query string and may not.',
    remedy: 'Send it in a header, or create the key with allowQuery.',
  },
  ambiguous_credentials: {
    status: 400,
    meaning: 'The request carries two different keys.',
    remedy: 'Send one.',
  },
  insufficient_scope: {
    status: 403,
    meaning: 'The key is valid but lacks the scope for this.',
    remedy: 'Use a key that has the scope named in the message.',
  },
  // Limits
  rate_limit_exceeded: {
    status: 429,
    meaning: 'The key has used up its requests or tokens per minute, or its concurrent requests.',
    remedy: 'Wait as long as Retry-After says.',
  },
  insufficient_quota: {
    status: 429,
    meaning: 'The budget of the key, or of a key above it, is spent.',
    remedy: 'Raise the budget, or wait for the next period.',
  },
  overloaded: {
    status: 503,
    meaning: 'Portico is at a limit of its own.',
    remedy: 'Retry after a moment.',
  },
  // Models
  model_not_found: {
    status: 404,
    meaning: 'No provider or alias has a model of this name.',
    remedy: 'See GET /v1/models for what this key may call.',
  },
  model_not_allowed: {
    status: 403,
    meaning: 'The key may not call this model.',
    remedy: 'See GET /v1/models for what this key may call.',
  },
  model_unpriced: {
    status: 403,
    meaning: 'The key has a budget, and the model has no price to charge against it.',
    remedy: 'Set prices on the provider, or allow unpriced models on the key.',
  },
  provider_not_found: {
    status: 404,
    meaning: 'No provider was named that this key could reach.',
    remedy: 'Name one in the X-Gateway-Provider header, or give the key a default.',
  },
  no_healthy_endpoint: {
    status: 503,
    meaning: 'Every provider of the model is cooling down after failures.',
    remedy: 'Wait as long as Retry-After says.',
  },
  upstream_unreachable: {
    status: 502,
    meaning: 'The provider or server could not be reached.',
    remedy: 'Check its URL; for a provider with POST /api/providers/{id}/check.',
  },
  upstream_failed: {
    status: 502,
    meaning: 'The provider or server broke the connection, or its answer could not be read.',
    remedy: 'Retry; if it persists, check what stands behind.',
  },
  upstream_timeout: {
    status: 504,
    meaning: 'The provider or server did not answer in time.',
    remedy: 'Retry, or raise the timeouts of the provider or service.',
  },
  stream_interrupted: {
    status: 502,
    meaning: 'The provider ended the stream before it was complete.',
    remedy: 'Retry the request.',
  },
  destination_not_allowed: {
    status: 400,
    meaning: 'The address is private, local or otherwise not to be reached.',
    remedy: 'Set allowPrivate on the provider if the address is meant.',
  },
  unsupported_translation: {
    status: 400,
    meaning: 'The request uses something that the provider’s kind cannot express.',
    remedy: 'Use a provider that speaks this API itself.',
  },
  // Services
  service_failed: {
    status: 503,
    meaning: 'The program behind the service does not run.',
    remedy: 'See the last lines of its log in the message, correct what they name, and start it.',
  },
  service_not_allowed: {
    status: 403,
    meaning: 'The key may not use this service or tool.',
    remedy: 'Use a key whose allowedServices name it.',
  },
  session_not_found: {
    status: 404,
    meaning: 'The MCP session is unknown, has ended, or belongs to somebody else.',
    remedy: 'Begin a new session with initialize.',
  },
  tool_quarantined: {
    status: 403,
    meaning: 'The tool was changed by its server and waits for approval.',
    remedy: 'Compare and approve it with the management API.',
  },
  stdio_disabled: {
    status: 403,
    meaning: 'Commands from requests are switched off.',
    remedy: 'Set services.adhoc in the configuration, or create a service.',
  },
  command_not_approved: {
    status: 403,
    meaning: 'The command has not been approved by an administrator, word for word.',
    remedy: 'Have it approved with POST /api/services/commands/{id}/approve.',
  },
  sandbox_unavailable: {
    status: 503,
    meaning: 'The program must run in a sandbox, and there is none on this machine.',
    remedy: 'Install bubblewrap.',
  },
  // Management
  invalid_config: {
    status: 400,
    meaning: 'The configuration is not valid.',
    remedy: 'Correct what the message lists.',
  },
  storage_failed: {
    status: 503,
    meaning: 'The store did not accept the change.',
    remedy: 'Check disk space and the database.',
  },
  store_too_new: {
    status: 500,
    meaning: 'The database was written by a newer version of Portico.',
    remedy: 'Start that version or a later one.',
  },
  store_locked: {
    status: 500,
    meaning: 'Another process has the data folder.',
    remedy: 'Stop it, or use another data folder.',
  },
  already_exists: {
    status: 409,
    meaning: 'The file to write is already there.',
    remedy: 'Use --force to overwrite it.',
  },
  internal_error: {
    status: 500,
    meaning: 'Something failed that should not have.',
    remedy: 'Look for the request id in the log.',
  },
} as const satisfies Record<string, ErrorDefinition>

/** One stable error code. */
export type ErrorCode = keyof typeof errorDefinitions

/** What an error may carry beside its message. */
export interface ErrorDetails extends ErrorOptions {
  /** One sentence that says what to do, when it is more specific than the table's remedy. */
  readonly hint?: string
  /** Name of the offending parameter, in the caller's words. */
  readonly param?: string
  /** How long to wait before trying again, ms. Becomes `retry-after` and `retry-after-ms`. */
  readonly retryAfterMs?: number
  /** Every single mistake, when there are several. */
  readonly issues?: readonly { readonly path: string; readonly message: string }[]
  /** Response headers that belong to the answer, lower-case names. */
  readonly headers?: Readonly<Record<string, string>>
}

/** An error with a stable code. Thrown where it is known; translated once, at the boundary, into the shape of that surface. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly details: ErrorDetails

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.details = details
  }

  /** HTTP status of the code. */
  get status(): number {
    return errorDefinitions[this.code].status
  }
}
