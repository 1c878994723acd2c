import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ServiceFilter } from '../../../protocol/api/services.ts'
import { compileFilter } from './filter.ts'

const name = fc.constantFrom('a', 'b', 'c', 'd', 'a_2', 'b_2')
const toItem = (tool: string) => ({ name: tool, json: JSON.stringify({ name: tool, x: 1 }) })
const anyRules = fc.record({
  show: fc.option(fc.array(name), { nil: null }),
  hide: fc.array(name),
  rename: fc.dictionary(name, name),
  describe: fc.dictionary(name, fc.string()),
})

function publish(rules: object, tools: readonly string[]) {
  const filter = compileFilter(ServiceFilter.parse({ tools: rules }))
  return filter.publish('tools', tools.map(toItem))
}

test('published names are unique and lead back to the names at the server', () => {
  fc.assert(
    fc.property(anyRules, fc.array(name), (rules, tools) => {
      const { items, byName, byUpstreamName } = publish(rules, tools)
      expect(byName.size).toBe(items.length)
      expect(byUpstreamName.size).toBe(items.length)
      for (const item of items) {
        expect(byName.get(item.name)).toBe(item)
        expect(byUpstreamName.get(item.upstreamName)).toBe(item)
        expect(tools).toContain(item.upstreamName)
        expect(JSON.parse(item.json)).toMatchObject({ name: item.name, x: 1 })
      }
    }),
  )
})

test('exactly what is shown and not hidden is published, in the order of the server', () => {
  fc.assert(
    fc.property(anyRules, fc.array(name), (rules, tools) => {
      const wanted = [...new Set(tools)].filter(
        (tool) => !rules.hide.includes(tool) && rules.show?.includes(tool) !== false,
      )
      expect(publish(rules, tools).items.map(({ upstreamName }) => upstreamName)).toEqual(wanted)
    }),
  )
})

test('what is not renamed keeps its name, whatever others are renamed to', () => {
  fc.assert(
    fc.property(anyRules, fc.array(name), (rules, tools) => {
      const { items } = publish(rules, tools)
      const kept = items.filter(({ upstreamName }) => !Object.hasOwn(rules.rename, upstreamName))
      expect(kept.map((item) => item.name)).toEqual(kept.map((item) => item.upstreamName))
    }),
  )
})

test('two tools may change their names', () => {
  const { items } = publish({ rename: { a: 'b', b: 'a' } }, ['a', 'b'])
  expect(items.map((item) => item.name)).toEqual(['b', 'a'])
})

test('a name that is taken is not given twice', () => {
  const { items } = publish({ rename: { a: 'c', b: 'c', d: 'b' } }, ['d', 'a', 'b', 'c'])
  expect(items.map((item) => item.name)).toEqual(['b', 'a', 'b_2', 'c'])
})

test('a hidden tool leaves its name to another one', () => {
  const { items } = publish({ hide: ['a'], rename: { b: 'a' } }, ['a', 'b'])
  expect(items).toEqual([{ name: 'a', upstreamName: 'b', json: '{"name":"a","x":1}' }])
})

test('everything of a definition but name and description stays as it was, byte for byte', () => {
  const filter = compileFilter(
    ServiceFilter.parse({ tools: { rename: { a: 'b' }, describe: { a: 'New "text"' } } }),
  )
  const json = '{ "name":"a","description":"old", "future":{"n":1.0e2}, "big":9007199254740993}'
  const [item] = filter.publish('tools', [{ name: 'a', json }]).items
  expect(item?.json).toBe(
    '{ "name":"b","description":"New \\"text\\"", "future":{"n":1.0e2}, "big":9007199254740993}',
  )
})

test('resources and templates are chosen by their URI', () => {
  const filter = compileFilter(
    ServiceFilter.parse({ resources: { show: ['file:///a', 'x://{id}'] } }),
  )
  expect(filter.shows('resources', 'file:///a')).toBe(true)
  expect(filter.shows('resources', 'file:///b')).toBe(false)
  expect(filter.shows('templates', 'x://{id}')).toBe(true)
  expect(filter.shows('tools', 'file:///b')).toBe(true)
})
