import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Command } from './mcp-fixture.ts'

/** A JSON-RPC message of which nobody has looked at more than that it is an object. */
export type Message = Readonly<Record<string, unknown>>

/** A program on stdio that is spoken to line by line. Disposing of it kills it. */
export interface LineProgram extends AsyncDisposable {
  /** Sends one message. */
  send(message: object): void
  /** Resolves with the first message, sent already or yet to come, that matches. Rejects when the program ends before. */
  receive(matches: (message: Message) => boolean): Promise<Message>
  /** Sends a request and resolves with its response. */
  ask(id: string | number, method: string, params?: object): Promise<Message>
  /** Lines that were no messages. */
  readonly noise: readonly string[]
  /** Resolves with the exit code. */
  ended(): Promise<number | null>
}

/** Starts the program. */
export function startLines({ command, args }: Command): LineProgram {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] })
  const closed = once(child, 'close') as Promise<[number | null]>
  const messages: Message[] = []
  const noise: string[] = []
  const looks = new Set<() => void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    const message = parse(line)
    if (message) messages.push(message)
    else noise.push(line)
    for (const look of looks) look()
  })
  const program: LineProgram = {
    send: (message) => void child.stdin.write(`${JSON.stringify(message)}\n`),
    receive(matches) {
      const { promise, resolve, reject } = Promise.withResolvers<Message>()
      const look = () => {
        const found = messages.find(matches)
        if (found) resolve(found)
      }
      looks.add(look)
      look()
      void closed.then(([code]) => reject(new Error(`Ended with ${code}`)))
      return promise.finally(() => looks.delete(look))
    },
    ask(id, method, params) {
      program.send({ jsonrpc: '2.0', id, method, ...(params && { params }) })
      return program.receive((message) => message['id'] === id && !('method' in message))
    },
    noise,
    ended: async () => (await closed)[0],
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await closed
    },
  }
  // A program that has ended takes nothing any more, which the tests see by its end.
  child.stdin.on('error', () => {})
  return program
}

function parse(line: string): Message | undefined {
  const isMessage = line.startsWith('{') && line.endsWith('}') && line.includes('"jsonrpc":"2.0"')
  return isMessage ? (JSON.parse(line) as Message) : undefined
}
