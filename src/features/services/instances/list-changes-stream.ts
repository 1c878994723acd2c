import type { Connection, RunningCall } from '../upstream/connection.ts'
import { objectAt } from '../wire/json.ts'
import { metaKeys } from '../wire/meta-keys.ts'
import { latestModernVersion } from '../wire/protocol-versions.ts'
import { makeRequest } from '../wire/rpc-message.ts'
import { ignoring } from './resource-watch.ts'

const filters: Readonly<Record<string, string>> = {
  tools: 'toolsListChanged',
  prompts: 'promptsListChanged',
  resources: 'resourcesListChanged',
}

/**
 * Has a modern server tell of changes of its lists, as far as it says that it can. A legacy one tells without being asked;
 * then there is nothing to end.
 */
export function listenForListChanges(
  connection: Connection,
  onChanged: (method: string) => void,
): RunningCall | undefined {
  const { capabilities } = connection.hello
  const wanted = Object.entries(filters).filter(
    ([capability]) => objectAt(capabilities, capability)['listChanged'] === true,
  )
  if (connection.era === 'legacy' || wanted.length === 0) return undefined
  const params = {
    notifications: Object.fromEntries(wanted.map(([, filter]) => [filter, true])),
    _meta: {
      [metaKeys.protocolVersion]: latestModernVersion,
      [metaKeys.clientCapabilities]: {},
    },
  }
  return connection.request(makeRequest('0', 'subscriptions/listen', params), {
    ...ignoring,
    onNotification({ method }) {
      if (method.endsWith('/list_changed')) onChanged(method)
    },
  })
}
