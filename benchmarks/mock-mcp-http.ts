/**
 * The MCP servers of the benchmarks, in a process of its own: one at `/mcp` and one at every `/mcp/<number>`, of both
 * eras, with answers prepared. Tells its port over IPC and ends with its parent.
 */
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { toolOf } from './mcp-traffic.ts'
import { acknowledge, answer, isModern } from './mock-mcp-answers.ts'
import type { AskedMessage } from './mock-mcp-answers.ts'

const sessions = new Set<string>()

const server = createServer({ keepAliveTimeout: 0, noDelay: true }, (req, res) => {
  if (req.method === 'DELETE') {
    sessions.delete(String(req.headers['mcp-session-id']))
    res.writeHead(204).end()
    return
  }
  if (req.method !== 'POST') {
    res.writeHead(405, { allow: 'POST, DELETE' }).end()
    return
  }
  const pieces: Buffer[] = []
  req.on('data', (piece: Buffer) => pieces.push(piece))
  req.on('end', () => {
    const body = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
    respond(req, res, JSON.parse(body.toString()) as AskedMessage)
  })
})

server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'))

function respond(req: IncomingMessage, res: ServerResponse, message: AskedMessage): void {
  if (isModern(message)) {
    const isMatching =
      req.headers['mcp-method'] === message.method &&
      (message.method !== 'tools/call' || req.headers['mcp-name'] === message.params?.name)
    if (!isMatching) return refuse(res, 400, -32_020)
  } else if (message.method === 'initialize') {
    const sessionId = randomUUID()
    sessions.add(sessionId)
    res.setHeader('mcp-session-id', sessionId)
  } else if (!sessions.has(String(req.headers['mcp-session-id']))) {
    return refuse(res, 404, -32_001)
  }
  if (message.method === 'subscriptions/listen') {
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.write(`data: ${acknowledge(message)}\n\n`)
    return
  }
  const text = answer(message, toolOf(String(req.url)))
  if (text === undefined) {
    res.writeHead(202).end()
    return
  }
  const length = Buffer.byteLength(text)
  res.writeHead(200, { 'content-type': 'application/json', 'content-length': length }).end(text)
}

function refuse(res: ServerResponse, status: number, code: number): void {
  const error = { jsonrpc: '2.0', id: null, error: { code, message: 'Refused' } }
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(error))
}
