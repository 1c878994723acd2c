import { expect, test } from 'vitest'
import { createStartQueue } from './start-queue.ts'

const { signal } = new AbortController()

test('at most so many start at once, and who was used last comes first', async () => {
  const queue = createStartQueue(() => 1)
  const endFirst = await queue.takeTurn('first', signal)
  const order: string[] = []
  const turns = ['a', 'b', 'c'].map(async (owner) => {
    queue.touch(owner)
    const endTurn = await queue.takeTurn(owner, signal)
    order.push(owner)
    endTurn()
  })
  queue.touch('b')
  endFirst()
  await Promise.all(turns)
  expect(order).toEqual(['b', 'c', 'a'])
})

test('a turn that is ended twice frees one place', async () => {
  const queue = createStartQueue(() => 1)
  const endFirst = await queue.takeTurn('a', signal)
  endFirst()
  endFirst()
  await queue.takeTurn('b', signal)
  let isThrough = false
  const third = queue.takeTurn('c', signal).then(() => (isThrough = true))
  await Promise.resolve()
  expect(isThrough).toBe(false)
  expect(third).toBeInstanceOf(Promise)
})

test('who gives up does not take a place', async () => {
  const queue = createStartQueue(() => 1)
  const endFirst = await queue.takeTurn('a', signal)
  const gone = new AbortController()
  const failed = queue.takeTurn('b', gone.signal).catch((error: unknown) => error)
  const third = queue.takeTurn('c', signal)
  gone.abort(new Error('gone'))
  expect(await failed).toBe(gone.signal.reason)
  endFirst()
  await third
  await expect(queue.takeTurn('d', gone.signal)).rejects.toThrow('gone')
})
