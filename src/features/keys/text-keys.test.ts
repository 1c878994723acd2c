import { afterEach, beforeEach, expect, test } from 'vitest'
import { openTestKeys, type TestKeys } from '../../../test/support/keys.ts'
import { openTestStore } from '../../../test/support/store.ts'
import { systemAuthor } from '../../net/requester.ts'
import type { Store } from '../../store/store.ts'
import type { LiveKey } from './live-key.ts'
import type { TextKeyDraft } from './text-keys.ts'

const text = 'doro-6e7b0f7c-6a49-4c1f-9d3b-0e9a4a9f2a11'

let scope: AsyncDisposableStack
let store: Store
let keys: TestKeys
let list: LiveKey

beforeEach(async () => {
  scope = new AsyncDisposableStack()
  store = scope.use(await openTestStore())
  keys = scope.use(await openTestKeys(store))
  list = await keys.textKeys.openWorkspace('3yZe7dQmWxkPaRtVbN9LcG')
})
afterEach(() => scope.disposeAsync())

function put(changes: Partial<TextKeyDraft> = {}): Promise<void> {
  const { workspaceId, keyId: parentId } = list
  const draft = { workspaceId, parentId, text, name: 'phone', enabled: true, ...changes }
  return keys.textKeys.put(draft, systemAuthor)
}

test('a key of the client’s choice works, is shown again, renamed, disabled and deleted', async () => {
  await put()
  const key = keys.findByText(text)
  expect(key?.standing(keys.clock.now())).toBe('usable')
  expect(key?.settings).toMatchObject({ allowQuery: true, parentId: list.keyId })
  expect(key?.scopes.has('manage')).toBe(false)
  await put({ name: 'laptop', enabled: false })
  expect(keys.textKeys.list(list.workspaceId)).toMatchObject([
    { text, name: 'laptop', enabled: false, parentId: list.keyId },
  ])
  expect(key?.standing(keys.clock.now())).toBe('disabled')
  await keys.textKeys.remove(list.workspaceId, text, systemAuthor)
  expect(keys.findByText(text)).toBeUndefined()
  expect(keys.textKeys.list(list.workspaceId)).toEqual([])
})

test('a text survives a restart, and lies in the database sealed', async () => {
  await put()
  expect(JSON.stringify(await store.db.selectFrom('keys').selectAll().execute())).not.toContain(
    text,
  )
  expect(JSON.stringify(await store.db.selectFrom('audit').selectAll().execute())).not.toContain(
    text,
  )
  await using restarted = await openTestKeys(store)
  expect(restarted.textKeys.list(list.workspaceId)[0]?.text).toBe(text)
})

test('a text that is a key of somebody else is neither taken over nor deleted', async () => {
  const { text: taken, key } = await keys.issue({ name: 'victim' })
  await expect(put({ text: taken })).rejects.toMatchObject({ code: 'conflict' })
  await keys.textKeys.remove(list.workspaceId, taken, systemAuthor)
  expect(keys.findByText(taken)).toBe(key)
})

test('a text that could be guessed is refused', async () => {
  for (const short of ['', 'doro-1', 'a b c d e f g h i j k', 'x'.repeat(129)]) {
    await expect(put({ text: short })).rejects.toMatchObject({ code: 'invalid_request' })
    await expect(keys.textKeys.openWorkspace(short)).rejects.toMatchObject({
      code: 'invalid_request',
    })
  }
})

test('a parent of another workspace is not found', async () => {
  const { key } = await keys.issue({ name: 'elsewhere' })
  await expect(put({ parentId: key.keyId })).rejects.toMatchObject({ code: 'not_found' })
})

test('a list id opens one workspace, however many ask at once, and is not found in the database', async () => {
  const listId = '8QpLmZ4vTnXcRwYbKs2HdF'
  const opened = await Promise.all(
    Array.from({ length: 5 }, () => keys.textKeys.openWorkspace(listId)),
  )
  expect(new Set(opened).size).toBe(1)
  expect(opened[0]?.scopes.has('manage')).toBe(true)
  expect(opened[0]?.workspaceId).not.toBe(list.workspaceId)
  const workspaces = await store.db.selectFrom('workspaces').selectAll().execute()
  expect(workspaces).toHaveLength(3)
  expect(JSON.stringify(workspaces)).not.toContain(listId)
})

test('whoever listens hears of every change in the workspace until they stop', async () => {
  const heard: string[] = []
  const stop = keys.onChange((workspaceId) => heard.push(workspaceId))
  await put()
  await put({ name: 'tablet' })
  await put({ name: 'tablet' })
  await keys.textKeys.remove(list.workspaceId, text, systemAuthor)
  stop()
  await put()
  expect(heard).toEqual([list.workspaceId, list.workspaceId, list.workspaceId])
})
