import pino from 'pino'
import { expect, test } from 'vitest'
import { createManagementApp } from '../../../../test/support/management-app.ts'
import { openTestStore } from '../../../../test/support/store.ts'
import type { Principal, Scope } from '../../../lib/principal.ts'
import { maySee, notFound } from '../../../net/requester.ts'
import { createPromptLogRoutes } from './prompt-log-routes.ts'
import { createPromptLog, type PromptEntry } from './prompt-log.ts'

const log = pino({ level: 'silent' })
const dayMs = 24 * 60 * 60 * 1000

function principal(workspaceId: string, ...scopes: Scope[]): Principal {
  return { keyId: 'key_admin', workspaceId, scopes: new Set(scopes) }
}

/** As the server decides it: an admin may name any workspace, everybody else has their own. */
function chooseWorkspace(asking: Principal, asked: string | undefined): string {
  if (asked === undefined || maySee(asking, asked)) return asked ?? asking.workspaceId
  throw notFound('workspace')
}

/** A log over a fresh store, its routes, and the clock and the asker to move. */
async function openLog() {
  const stack = new AsyncDisposableStack()
  const store = stack.use(await openTestStore())
  const time = { ms: Date.UTC(2026, 10, 22) }
  const clock = { now: () => time.ms, elapsed: () => 0 }
  const secrets = () => ['provider-key-0123']
  const dependencies = { db: store.db, clock, log, secrets }
  const prompts = stack.use(createPromptLog(dependencies, () => ({ retentionDays: 7 })))
  const asker = { principal: principal('default', 'manage') }
  const app = await createManagementApp(
    createPromptLogRoutes({ promptLog: prompts, chooseWorkspace }),
    asker,
  )
  stack.defer(() => app.close())
  return {
    prompts,
    time,
    asker,
    db: store.db,
    record(entry: Partial<Record<keyof PromptEntry, string>> = {}) {
      const { request = '{"prompt":"hi"}', response = '{"text":"ho"}', ...columns } = entry
      const ids = { workspaceId: 'default', keyId: 'key_1', requestId: 'req_1', model: 'gpt' }
      const bytes = { request: Buffer.from(request), response: Buffer.from(response) }
      prompts.record({ ...ids, ...columns, ...bytes })
    },
    async ask(method: 'GET' | 'DELETE', query = '') {
      await prompts.flush()
      const response = await app.inject({ method, url: `/api/prompts${query}` })
      return { status: response.statusCode, body: response.json() }
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

test('an exchange can be read again by whoever manages its workspace', async () => {
  await using opened = await openLog()
  opened.record()
  expect(await opened.ask('GET')).toEqual({
    status: 200,
    body: {
      prompts: [
        {
          at: '2026-11-22T00:00:00.000Z',
          requestId: 'req_1',
          keyId: 'key_1',
          model: 'gpt',
          request: '{"prompt":"hi"}',
          response: '{"text":"ho"}',
        },
      ],
      nextCursor: null,
    },
  })
})

test('credentials never reach the store', async () => {
  await using opened = await openLog()
  opened.record({
    request: 'my key is sk-abcdefghijklmnopqrst',
    response: 'and the provider said provider-key-0123',
  })
  const { body } = await opened.ask('GET')
  expect(body.prompts[0]).toMatchObject({
    request: 'my key is [secret]',
    response: 'and the provider said [secret]',
  })
})

test('each side is cut, and a credential across the cut does not show its beginning', async () => {
  await using opened = await openLog()
  const secret = `sk-${'a'.repeat(40)}`
  const shrinking = `${secret} `.repeat(1000)
  opened.record({
    request: `${'x'.repeat(64 * 1024 - 10)} ${secret} ${'y'.repeat(100_000)}`,
    response: `${shrinking}${'x '.repeat(12_780)}${secret.repeat(3)}`,
  })
  const { prompts } = (await opened.ask('GET')).body
  for (const side of [prompts[0].request, prompts[0].response]) {
    expect(side.length).toBeLessThanOrEqual(64 * 1024 + 1)
    expect(side.endsWith('…')).toBe(true)
    expect(side).not.toContain('sk-a')
  }
})

test('binary bodies are named, and a NUL in a text does no harm', async () => {
  await using opened = await openLog()
  opened.record({ request: `${'x'.repeat(2000)}\0y`, response: 'ID3\0\0' })
  const { prompts } = (await opened.ask('GET')).body
  expect(prompts[0].request).toContain('x\uFFFDy')
  expect(prompts[0].response).toBe('[binary, 5 bytes]')
})

test('rows come in pages, newest first, and can be picked by key, model and request', async () => {
  await using opened = await openLog()
  for (const requestId of ['r1', 'r2', 'r3']) {
    opened.record({ requestId, keyId: `key_${requestId}`, model: `m-${requestId}` })
  }
  const first = await opened.ask('GET', '?limit=2')
  const second = await opened.ask('GET', `?limit=2&cursor=${first.body.nextCursor}`)
  const ids = (page: typeof first) =>
    page.body.prompts.map((row: { requestId: string }) => row.requestId)
  expect([ids(first), ids(second), second.body.nextCursor]).toEqual([['r3', 'r2'], ['r1'], null])
  for (const filter of ['keyId=key_r2', 'model=m-r2', 'request=r2']) {
    expect(ids(await opened.ask('GET', `?${filter}`))).toEqual(['r2'])
  }
  expect((await opened.ask('GET', '?nonsense=1')).body.error.code).toBe('unknown_field')
})

test('S05 another workspace is not there, unless one administers all', async () => {
  await using opened = await openLog()
  opened.record({ workspaceId: 'other' })
  expect((await opened.ask('GET')).body.prompts).toEqual([])
  expect((await opened.ask('GET', '?workspace=other')).status).toBe(404)
  expect((await opened.ask('DELETE', '?workspace=other')).status).toBe(404)
  opened.asker.principal = principal('default', 'admin')
  expect((await opened.ask('GET', '?workspace=other')).body.prompts).toHaveLength(1)
})

test('deleting takes the rows of one key or of all, and leaves a trace of itself', async () => {
  await using opened = await openLog()
  for (const keyId of ['key_1', 'key_1', 'key_2']) opened.record({ keyId })
  opened.record({ workspaceId: 'other' })
  expect((await opened.ask('DELETE', '?keyId=key_1')).body).toEqual({ deleted: 2 })
  expect((await opened.ask('DELETE')).body).toEqual({ deleted: 1 })
  const left = await opened.db.selectFrom('promptLog').select('workspaceId').execute()
  expect(left).toEqual([{ workspaceId: 'other' }])
  const trail = await opened.db.selectFrom('audit').selectAll().orderBy('id').execute()
  expect(trail).toMatchObject([
    { action: 'prompts.delete', targetId: 'key_1', actor: 'key_admin', beforeJson: '{"rows":2}' },
    { action: 'prompts.delete', targetId: '', beforeJson: '{"rows":1}' },
  ])
})

test('rows go when their time is over', async () => {
  await using opened = await openLog()
  opened.record({ requestId: 'old' })
  opened.time.ms += 7 * dayMs
  opened.record({ requestId: 'young' })
  await opened.prompts.flush()
  await opened.prompts.sweep()
  expect((await opened.ask('GET')).body.prompts).toHaveLength(2)
  opened.time.ms += 1
  await opened.prompts.sweep()
  expect((await opened.ask('GET')).body.prompts).toMatchObject([{ requestId: 'young' }])
})

test('what waits is written when the log is closed', async () => {
  await using opened = await openLog()
  opened.record()
  await opened.prompts[Symbol.asyncDispose]()
  expect(await opened.db.selectFrom('promptLog').select('id').execute()).toHaveLength(1)
})
