import type { ClientProfile } from '../relay/relay.ts'
import { isJsonObject, type JsonObject } from '../wire/json.ts'
import { metaKeys } from '../wire/meta-keys.ts'
import { editMessage, type RpcRequest } from '../wire/rpc-message.ts'
import { rawAt } from './json-reading.ts'

// Ids of tasks do not tell which member they belong to. So no member is told that the client knows tasks.

const extension = 'io.modelcontextprotocol/tasks'

/** The same client, who does not know tasks. */
export function hideTasks(profile: ClientProfile): ClientProfile {
  return { ...profile, capabilities: withoutTasks(profile.capabilities) }
}

function withoutTasks({ tasks: _tasks, ...others }: JsonObject): JsonObject {
  if (!isJsonObject(others['extensions'])) return others
  const { [extension]: _extension, ...extensions } = others['extensions']
  return { ...others, extensions }
}

const path: [string, ...string[]] = [
  'params',
  '_meta',
  metaKeys.clientCapabilities,
  'extensions',
  extension,
]

/** The same modern request, whose envelope does not mention tasks. */
export function hideTasksInRequest(request: RpcRequest): RpcRequest {
  const isMentioned = rawAt(request.bytes, path) !== undefined
  return isMentioned ? editMessage(request, [{ path, json: undefined }]) : request
}
