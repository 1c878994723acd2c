import { AppError, errorDefinitions } from '../../../lib/errors.ts'

/** Error codes of JSON-RPC 2.0 and of MCP that are told apart here. */
export const rpcCodes = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  /** A legacy resource that does not exist; modern servers say `invalidParams`. */
  legacyResourceNotFound: -32002,
  /** Headers and body of a modern request differ. */
  headerMismatch: -32020,
  /** `data.requiredCapabilities` */
  missingCapability: -32021,
  /** `data.supported`, `data.requested` */
  unsupportedVersion: -32022,
  /** Legacy only; `data.elicitations` */
  urlElicitationRequired: -32042,
} as const

/** A failure that the client is told as a JSON-RPC error. */
export class RpcError extends Error {
  override readonly name = 'RpcError'
  readonly code: number
  readonly data: unknown

  constructor(code: number, message: string, data?: unknown) {
    super(message)
    this.code = code
    this.data = data
  }
}

/** Any failure as a JSON-RPC error. What nobody foresaw tells no more than that. `requestId` helps to find it in the log. */
export function toRpcError(error: unknown, requestId?: string): RpcError {
  if (error instanceof RpcError) return error
  if (!(error instanceof AppError)) {
    const { meaning } = errorDefinitions.internal_error
    return new RpcError(rpcCodes.internalError, meaning, { code: 'internal_error', requestId })
  }
  const { code, message, details } = error
  const rpcCode = error.status < 500 ? rpcCodes.invalidParams : rpcCodes.internalError
  const hint = details.hint ?? errorDefinitions[code].remedy
  return new RpcError(rpcCode, message, { code, hint, requestId })
}
