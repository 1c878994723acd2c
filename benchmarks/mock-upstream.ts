/**
 * The provider of the model benchmarks, in a process of its own: bare sockets, answers prepared, so that what is
 * measured is the gateway. Tells its port over IPC and ends with its parent.
 */
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { answerBody, doneEvent, parseStreamOrder, streamEvent, usageEvent } from './traffic.ts'

const headEnd = Buffer.from('\r\n\r\n')
const answer = Buffer.concat([
  Buffer.from(
    'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_mock\r\n' +
      `openai-processing-ms: 1\r\ncontent-length: ${answerBody.length}\r\n\r\n`,
  ),
  answerBody,
])
const streamHead =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: req_mock\r\n' +
  'transfer-encoding: chunked\r\n\r\n'
const streamChunk = toChunk(streamEvent)
const usageChunk = toChunk(usageEvent)
const lastChunk = Buffer.concat([toChunk(doneEvent), Buffer.from('0\r\n\r\n')])

const server = createServer({ noDelay: true }, (socket) => {
  let missing = -1
  let pieces: Buffer[] = []
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    pieces.push(chunk)
    if (missing < 0) {
      const whole = pieces.length === 1 ? chunk : Buffer.concat(pieces)
      pieces = [whole]
      const end = whole.indexOf(headEnd)
      if (end < 0) return
      missing = end + 4 + contentLength(whole.toString('latin1', 0, end)) - whole.length
    } else missing -= chunk.length
    if (missing > 0) return
    if (missing < 0) throw new Error('More came than one request')
    missing = -1
    const request = pieces
    pieces = []
    respond(socket, request)
  })
})

server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'))

function contentLength(head: string): number {
  if (head.startsWith('GET ')) return 0
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)
  if (!length) throw new Error(`A request without a length: ${head}`)
  return Number(length[1])
}

function respond(socket: Socket, pieces: readonly Buffer[]): void {
  // Of our requests only short ones stream; the long ones are not even looked at.
  const sizeBytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
  const request = sizeBytes < 4096 ? Buffer.concat(pieces) : undefined
  if (!request?.includes('"stream":true')) {
    socket.write(answer)
    return
  }
  const order = parseStreamOrder(request.subarray(request.indexOf(headEnd) + 4))
  const last = order.includeUsage ? Buffer.concat([usageChunk, lastChunk]) : lastChunk
  if (order.intervalMs === 0) {
    socket.write(streamHead)
    for (let sent = 0; sent < order.chunks; sent += 1) socket.write(streamChunk)
    socket.write(last)
    return
  }
  socket.write(streamHead + streamChunk.toString())
  let sent = 1
  const timer = setInterval(() => {
    sent += 1
    if (sent <= order.chunks && !socket.destroyed) socket.write(streamChunk)
    else {
      clearInterval(timer)
      socket.write(last)
    }
  }, order.intervalMs)
}

function toChunk(text: string): Buffer {
  return Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`)
}
