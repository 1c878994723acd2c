import { AppError } from '../../../lib/errors.ts'
import type { Child, ChildExit } from '../process-host.ts'
import type { Channel } from '../wire/channel.ts'
import type { Era } from '../wire/protocol-versions.ts'
import { openChannelConnection, type OpenChannelOptions } from './channel-connection.ts'
import type { Connection } from './connection.ts'
import { probeChannelEra, type ProbeOptions } from './probe-era.ts'

/**
 * A channel over the standard streams of a child: one message a line. Disposing of it does not end the child, which
 * belongs to whoever started it; the end of the child closes it with `service_failed`.
 */
export function createStdioChannel(child: Child): Channel {
  const closed = Promise.withResolvers<AppError | undefined>()
  let isOpen = true
  const close = (reason: AppError | undefined) => {
    isOpen = false
    closed.resolve(reason)
  }
  void child.exited.then((exit) => close(ended(exit)))
  return {
    send: (bytes) => (isOpen ? child.write(oneLine(bytes)) : undefined),
    receive(onMessage) {
      child.read((line) => {
        if (isOpen && line.length > 0) onMessage(line)
      })
    },
    closed: closed.promise,
    [Symbol.asyncDispose]: async () => close(undefined),
  }
}

/** Opens a connection to a server that runs as a child. Rejects as `openChannelConnection` does; the child goes on running. */
export function openStdioConnection(
  child: Child,
  options: OpenChannelOptions,
): Promise<Connection> {
  return openChannelConnection(createStdioChannel(child), options)
}

/** Finds out which era a server speaks, as `probeChannelEra` does. To be done with a child that is thrown away afterwards. */
export function probeStdioEra(child: Child, options?: ProbeOptions): Promise<Era> {
  return probeChannelEra(createStdioChannel(child), options)
}

const newline = 0x0a
const carriageReturn = 0x0d
const space = 0x20

/** JSON has line breaks only between its tokens, where a space does as well. */
function oneLine(bytes: Buffer): Buffer {
  if (!bytes.includes(newline) && !bytes.includes(carriageReturn)) return bytes
  const line = Buffer.from(bytes)
  for (let at = 0; at < line.length; at += 1) {
    if (line[at] === newline || line[at] === carriageReturn) line[at] = space
  }
  return line
}

function ended({ code, signal, error }: ChildExit): AppError {
  const how = error !== null ? 'could not be started' : `ended with ${signal ?? `code ${code}`}`
  return new AppError('service_failed', `The program behind the service ${how}.`)
}
