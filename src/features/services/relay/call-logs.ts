import type { Instance } from '../instances/instance.ts'
import { isLogLevel, isShown, type LogLevel } from '../instances/log-levels.ts'
import { objectAt } from '../wire/json.ts'
import { metaKeys } from '../wire/meta-keys.ts'
import { paramsOf, type RpcNotification } from '../wire/rpc-message.ts'
import type { ClientCall } from './relay.ts'

/** Has a legacy server log for a modern call that wants it. Returns the function that ends it. */
export function wantLogs(instance: Instance, call: ClientCall): () => void {
  const level = wantedLevel(call)
  return level === undefined ? () => undefined : instance.logLevels.want(level)
}

/** Says whether a notification is to be shown to a modern call: log messages only as far as it asked for them. */
export function showsLog(notification: RpcNotification, call: ClientCall): boolean {
  if (notification.method !== 'notifications/message') return true
  const level = wantedLevel(call)
  return level !== undefined && isShown(paramsOf(notification)['level'], level)
}

function wantedLevel({ request }: ClientCall): LogLevel | undefined {
  const level = objectAt(paramsOf(request), '_meta')[metaKeys.logLevel]
  return isLogLevel(level) ? level : undefined
}
