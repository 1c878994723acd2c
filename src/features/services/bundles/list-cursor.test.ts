import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createSecretBox } from '../../../store/secret-box.ts'
import { readCursor, startOf, writeCursor } from './list-cursor.ts'

const masterKey = randomBytes(32)
const box = createSecretBox([masterKey])
const refused = expect.objectContaining({ code: -32602, message: 'Invalid cursor' })

test('a cursor gives the position back, after a restart as well', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.string(), fc.string(), async (offset, after, context) => {
      const cursor = writeCursor(box, { offset, after }, context)
      const restarted = createSecretBox([masterKey])
      expect(await readCursor(restarted, cursor, context)).toEqual({ offset, after })
    }),
  )
})

test('what is no cursor, or one of another list, is refused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string(), fc.jsonValue()), async (text) => {
      await expect(readCursor(box, text, 'a')).rejects.toEqual(refused)
    }),
  )
  const cursor = writeCursor(box, { offset: 1, after: 'x' }, 'a')
  await expect(readCursor(box, cursor, 'b')).rejects.toEqual(refused)
})

test('the next page begins behind the entry of the last one, wherever that is now', () => {
  expect(startOf(['a', 'b', 'c'], { offset: 2, after: 'b' })).toBe(2)
  expect(startOf(['new', 'a', 'b', 'c'], { offset: 2, after: 'b' })).toBe(3)
  expect(startOf(['a', 'c'], { offset: 2, after: 'b' })).toBe(2)
})
