import { expect, test } from 'vitest'
import { ServiceFilter } from '../../../protocol/api/services.ts'
import { compileMemberFilter } from './member-filter.ts'

function filter(settings: unknown) {
  return compileMemberFilter(ServiceFilter.parse(settings))
}

const item = { name: 'read', json: '{"name":"read","x":1.0,"description":"Reads"}' }

test('without a filter everything is shown to the letter', () => {
  const expected = { name: 'read', upstreamName: 'read', json: item.json }
  expect(compileMemberFilter(undefined).publish('tools', item)).toEqual(expected)
  expect(filter({}).publish('prompts', item)).toEqual(expected)
})

test('what is hidden, or not among what is shown, is gone', () => {
  expect(filter({ tools: { hide: ['read'] } }).publish('tools', item)).toBeUndefined()
  expect(filter({ tools: { show: ['write'] } }).publish('tools', item)).toBeUndefined()
  expect(filter({ tools: { hide: ['read'] } }).publish('prompts', item)).toBeDefined()
})

test('a new name and a new description leave the rest as it was', () => {
  const renaming = filter({ tools: { rename: { read: 'get' }, describe: { read: 'Gets' } } })
  expect(renaming.publish('tools', item)).toEqual({
    name: 'get',
    upstreamName: 'read',
    json: '{"name":"get","x":1.0,"description":"Gets"}',
  })
})

test('a hidden resource cannot be read by its URI, nor what a hidden template covers', () => {
  const hiding = filter({ resources: { hide: ['a://x', 'file:///{+path}'] } })
  expect([
    hiding.allowsUri('a://x'),
    hiding.allowsUri('file:///a/b'),
    hiding.allowsUri('a://y'),
  ]).toEqual([false, false, true])
  const shown = filter({ resources: { show: ['a://{id}'] } })
  expect([shown.allowsUri('a://x'), shown.allowsUri('b://x')]).toEqual([true, false])
})
