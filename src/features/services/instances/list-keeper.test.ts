import { pino } from 'pino'
import { expect, test, vi } from 'vitest'
import {
  createFakeConnection,
  type FakeConnection,
  type SentCall,
} from '../../../../test/support/fake-connection.ts'
import { plainService, publishedCatalogue } from '../../../../test/support/plain-service.ts'
import type { FetchedCatalogue, PublishedCatalogue } from '../catalogue/catalogue.ts'
import { Instance } from './instance.ts'
import { ListKeeper, type Source } from './list-keeper.ts'

const answerTool = (name: string) => (call: SentCall) => call.answer({ tools: [{ name }] })

/** An instance that lists one tool, or answers as it is told. */
function source(introduction: string, onRequest: (call: SentCall) => void = answerTool('t')) {
  const connection = createFakeConnection({ capabilities: { tools: {} }, onRequest })
  const instance = new Instance(connection, {
    ownership: 'shared',
    canAsk: false,
    stop: async () => undefined,
    onListChanged: () => undefined,
  })
  return { instance, introduction, connection }
}

/** A keeper, and the names of the tools of each update of its catalogue. */
function keep(
  published?: PublishedCatalogue,
  openFor: (introduction: string) => Instance | undefined = () => undefined,
) {
  const updates: string[][] = []
  const catalogue = {
    published: () => published,
    update: async (_id: string, _revision: string, { lists }: FetchedCatalogue) => {
      updates.push(lists.tools.map(({ name }) => name))
      return new Set<never>()
    },
    publish: () => {
      throw new Error('not asked for')
    },
    onChange: () => () => undefined,
  }
  const log = pino({ level: 'silent' })
  const keeper = new ListKeeper({ catalogue, log, service: () => plainService(), openFor })
  return { keeper, updates, [Symbol.dispose]: () => keeper.close() }
}

const requests = ({ connection }: Source & { connection: FakeConnection }) => connection.sent.length
const toolsChanged = 'notifications/tools/list_changed'
const promptsChanged = 'notifications/prompts/list_changed'

test('those who want the lists read share the reading that is under way', async () => {
  using kept = keep()
  const from = source('')
  await Promise.all([kept.keeper.read(from), kept.keeper.read(from)])
  expect(kept.updates).toEqual([['t']])
  await kept.keeper.read(from)
  expect(kept.updates).toHaveLength(2)
})

test('lists that are known are not read when an instance opens, unless it is told of a client that can do more', async () => {
  using kept = keep(publishedCatalogue({}))
  await kept.keeper.read(source('{"a":1}'))
  const [same, poorer, richer] = [source('{"a":1}'), source(''), source('{"a":1,"b":1}')]
  for (const each of [same, poorer, richer]) kept.keeper.opened(each)
  await vi.waitFor(() => expect(kept.updates).toHaveLength(2))
  expect([same, poorer, richer].map(requests)).toEqual([0, 0, 1])
})

test('lists that are known of another revision are read again', async () => {
  using kept = keep({ ...publishedCatalogue({}), revision: 'r0' })
  await kept.keeper.read(source(''))
  kept.keeper.opened(source(''))
  await vi.waitFor(() => expect(kept.updates).toHaveLength(2))
})

test('a richer instance that opens while a poorer one is read is read after it', async () => {
  using kept = keep(publishedCatalogue({}))
  const calls: SentCall[] = []
  kept.keeper.opened(source('', (call) => calls.push(call)))
  kept.keeper.opened(source('{"a":1}', answerTool('rich')))
  calls[0]?.answer({ tools: [{ name: 'poor' }] })
  await vi.waitFor(() => expect(kept.updates).toEqual([['poor'], ['rich']]))
})

test('changes that come together are read together, and then told together', async () => {
  using kept = keep()
  const from = source('')
  const told: string[][] = []
  kept.keeper.onChanged((methods) => told.push([...methods]))
  kept.keeper.announced(from, toolsChanged)
  kept.keeper.announced(from, toolsChanged)
  kept.keeper.announced(from, promptsChanged)
  await vi.waitFor(() => expect(told).toEqual([[toolsChanged, promptsChanged]]))
  expect(kept.updates).toHaveLength(1)
})

test('a list that changes while it is read is read once more', async () => {
  using kept = keep()
  const calls: SentCall[] = []
  const from = source('', (call) => calls.push(call))
  const first = kept.keeper.read(from)
  const told = Promise.withResolvers<void>()
  kept.keeper.onChanged(() => told.resolve())
  kept.keeper.announced(from, toolsChanged)
  await vi.waitFor(() => expect(calls).toHaveLength(1))
  calls[0]?.answer({ tools: [{ name: 'old' }] })
  await first
  await vi.waitFor(() => expect(calls).toHaveLength(2))
  calls[1]?.answer({ tools: [{ name: 'new' }] })
  await told.promise
  expect(kept.updates).toEqual([['old'], ['new']])
})

test('a change that a poorer instance announces is read from the richest that is open', async () => {
  const rich = source('{"a":1}', answerTool('rich'))
  using kept = keep(undefined, (introduction) =>
    introduction === rich.introduction ? rich.instance : undefined,
  )
  await kept.keeper.read(rich)
  kept.keeper.announced(source('', answerTool('poor')), toolsChanged)
  await vi.waitFor(() => expect(kept.updates).toEqual([['rich'], ['rich']]))
})

test('a change is told even where the lists cannot be read', async () => {
  using kept = keep()
  const told = Promise.withResolvers<ReadonlySet<string>>()
  kept.keeper.onChanged(told.resolve)
  const broken = source('', () => {
    throw new Error('no')
  })
  kept.keeper.announced(broken, toolsChanged)
  expect([...(await told.promise)]).toEqual([toolsChanged])
})

test('one who does not listen any more is told nothing', async () => {
  using kept = keep()
  const heard: string[] = []
  kept.keeper.onChanged(() => heard.push('gone'))()
  kept.keeper.onChanged(() => heard.push('here'))
  kept.keeper.announced(source(''), toolsChanged)
  await vi.waitFor(() => expect(heard).toEqual(['here']))
})
