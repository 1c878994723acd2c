import type { ServerResponse } from 'node:http'

/** A complete small answer of the server itself. `headers` is a flat list name, value, …. */
export interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
  readonly headers?: readonly string[]
}

/** Sends an answer. HEAD requests get its head alone. */
export function sendAnswer(res: ServerResponse, answer: Answer): void {
  res.writeHead(answer.status, [
    'content-type',
    answer.type,
    'content-length',
    String(Buffer.byteLength(answer.body)),
    ...(answer.headers ?? []),
  ])
  res.end(answer.body)
}

/** A JSON answer. */
export function jsonAnswer(status: number, value: object): Answer {
  return { status, type: 'application/json; charset=utf-8', body: JSON.stringify(value) }
}
