import { createServer, type RequestListener } from 'node:http'
import { describe, expect, test } from 'vitest'
import { listenOnLoopback, sendRaw } from '../../test/support/raw-http.ts'
import { AppError } from '../lib/errors.ts'
import { writeError, writeSocketError } from './error-response.ts'

async function answerOf(listener: RequestListener) {
  const server = createServer(listener)
  const port = await listenOnLoopback(server)
  const lines = ['GET / HTTP/1.1', 'Host: a', 'Connection: close', '', '']
  const answer = await sendRaw(port, lines.join('\r\n'))
  await server[Symbol.asyncDispose]()
  const [head = '', body = ''] = answer.text.split('\r\n\r\n')
  return { ...answer, head, body }
}

const busy = new AppError('rate_limit_exceeded', 'Too fast.', { retryAfterMs: 1_250.2 })
const detailed = new AppError('invalid_config', 'Two mistakes.', {
  hint: 'Look at line 3.',
  issues: [{ path: 'a.b', message: 'is missing' }],
})

describe('an error answer', () => {
  test('has the code, a message, a hint and the id of the request', async () => {
    const { body } = await answerOf((_req, res) => writeError(res, busy, 'r1'))
    expect(JSON.parse(body)).toEqual({
      error: {
        code: 'rate_limit_exceeded',
        message: 'Too fast.',
        hint: 'Wait as long as Retry-After says.',
        requestId: 'r1',
      },
    })
  })

  test('says when to try again, in seconds and in milliseconds', async () => {
    const { head } = await answerOf((_req, res) => writeError(res, busy, 'r1'))
    expect(head).toContain('retry-after: 2\r\n')
    expect(head).toContain('retry-after-ms: 1251\r\n')
  })

  test('lists every single mistake, and prefers a hint of its own', async () => {
    const { body } = await answerOf((_req, res) => writeError(res, detailed, 'r1'))
    expect(JSON.parse(body)).toMatchObject({
      error: { hint: 'Look at line 3.', issues: [{ path: 'a.b', message: 'is missing' }] },
    })
  })

  test('is the same on a bare connection', async () => {
    const normal = await answerOf((_req, res) => {
      res.sendDate = false
      writeError(res, detailed, 'r1')
    })
    const bare = await answerOf((req) => writeSocketError(req.socket, detailed, 'r1'))
    expect(bare.text).toBe(normal.text)
  })

  test('never follows the head of another answer', async () => {
    const { text } = await answerOf((_req, res) => {
      res.write('half of')
      setImmediate(() => writeError(res, busy, 'r1'))
    })
    expect(text).toContain('half of')
    expect(text).not.toContain('rate_limit_exceeded')
  })
})
