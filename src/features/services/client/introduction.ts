import { objectAt, textAt, type JsonObject } from '../wire/json.ts'
import { assumedVersion, isLegacyVersion, latestLegacyVersion } from '../wire/protocol-versions.ts'
import { paramsOf, type RpcRequest } from '../wire/rpc-message.ts'

/** What a client says of itself when it begins. */
export interface Introduction {
  /** The revision that is spoken with it: its own where that is known here, else our latest. */
  readonly protocolVersion: string
  readonly capabilities: JsonObject
  readonly clientInfo: JsonObject
}

/** Reads an `initialize` request. */
export function readIntroduction(initialize: RpcRequest): Introduction {
  const params = paramsOf(initialize)
  const asked = textAt(params, 'protocolVersion') ?? ''
  return {
    protocolVersion: isLegacyVersion(asked) ? asked : latestLegacyVersion,
    capabilities: objectAt(params, 'capabilities'),
    clientInfo: objectAt(params, 'clientInfo'),
  }
}

/** Of a client that did not introduce itself. */
export const noIntroduction: Introduction = {
  protocolVersion: assumedVersion,
  capabilities: {},
  clientInfo: {},
}
