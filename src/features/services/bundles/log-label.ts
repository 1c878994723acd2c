import { editMessage, type RpcNotification } from '../wire/rpc-message.ts'
import { textIn } from './json-reading.ts'
import type { Member } from './member.ts'

/** The same notification; a log message says which service it comes from, in front of the name of its logger. */
export function labelLog(member: Member, notification: RpcNotification): RpcNotification {
  if (notification.method !== 'notifications/message') return notification
  const { name } = member.endpoint
  const logger = textIn(notification.bytes, ['params', 'logger'])
  const label = logger === undefined ? name : `${name}/${logger}`
  return editMessage(notification, [{ path: ['params', 'logger'], json: JSON.stringify(label) }])
}
