import type { JsonObject } from '../wire/json.ts'
import { isJsonObject, textAt } from '../wire/json.ts'
import { rpcCodes } from '../wire/rpc-error.ts'
import { errorOf, makeResult, type IdText, type RpcResponse } from '../wire/rpc-message.ts'

/** Says whether a legacy server refuses because its user has to visit pages first (MCP 2025-11-25, URL elicitation). */
export function isUrlRequest(response: RpcResponse): boolean {
  return response.isError && errorOf(response)?.code === rpcCodes.urlElicitationRequired
}

/** The same for a modern client: a result that asks it to have the pages visited. The URLs are not looked at; whoever the user is decides. */
export function askUrls(
  response: RpcResponse,
  { id, capabilities }: { readonly id: IdText; readonly capabilities: JsonObject },
  seal: () => string,
): RpcResponse {
  const data = errorOf(response)?.data
  const elicitations =
    isJsonObject(data) && Array.isArray(data['elicitations'])
      ? data['elicitations'].filter(isJsonObject)
      : []
  if (capabilities['elicitation'] === undefined || elicitations.length === 0) return response
  const inputRequests = Object.fromEntries(
    elicitations.map((elicitation, index) => {
      const params = {
        mode: 'url',
        url: textAt(elicitation, 'url') ?? '',
        message: textAt(elicitation, 'message') ?? '',
      }
      return [`input_${index + 1}`, { method: 'elicitation/create', params }]
    }),
  )
  return makeResult(id, { resultType: 'input_required', inputRequests, requestState: seal() })
}
