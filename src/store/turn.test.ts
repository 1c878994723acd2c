import { expect, test } from 'vitest'
import { createTurn } from './turn.ts'

test('lets one in at a time, in the order of asking', async () => {
  const turn = createTurn(1000)
  const events: string[] = []
  const visit = async (name: string) => {
    await turn.take()
    events.push(`${name} in`)
    await Promise.resolve()
    events.push(`${name} out`)
    turn.pass()
  }
  await Promise.all([visit('a'), visit('b'), visit('c')])
  expect(events).toEqual(['a in', 'a out', 'b in', 'b out', 'c in', 'c out'])
})

test('a holder that waits for itself gets an error, and the turn goes on', async () => {
  const turn = createTurn(20)
  await turn.take()
  await expect(turn.take()).rejects.toMatchObject({ code: 'storage_failed' })
  turn.pass()
  await turn.take()
})
