import fc from 'fast-check'
import { expect, test } from 'vitest'
import { rankTools, wordsOf } from './tool-ranking.ts'

const tools = [
  { name: 'readFile', description: 'Returns the contents of one file.' },
  { name: 'write_file', description: 'Writes text to a file, making it where it is missing.' },
  { name: 'get_forecast', title: 'Weather', inputSchema: { properties: { cityName: {} } } },
  { name: 'search', description: 'Searches all issues and reads weather reports, if need be.' },
]

function find(query: string): string[] {
  return rankTools(tools, query).map(({ index }) => tools[index]?.name ?? '')
}

test('names are words, however they are written', () => {
  expect(wordsOf('readFile')).toEqual(['read', 'file'])
  expect(wordsOf('github__READ_files')).toEqual(['github', 'read', 'file'])
  expect(wordsOf('HTTPServer2Go größe')).toEqual(['http', 'server2', 'go', 'größe'])
})

test('what fits best comes first, and what does not fit not at all', () => {
  expect(find('read a file')[0]).toBe('readFile')
  expect(find('write')).toEqual(['write_file'])
  expect(find('weather')).toEqual(['get_forecast', 'search'])
  expect(find('city')).toEqual(['get_forecast'])
  expect(find('FORECASTS')).toEqual(['get_forecast'])
  expect(find('nothing of the kind')).not.toContain('get_forecast')
})

test('a query without words leaves all in their order', () => {
  expect(find(' ?! ')).toEqual(tools.map(({ name }) => name))
})

test('equal tools stay in their order, and a ranking is the same each time', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '_', 'A') })
  const tool = fc.record({ name: text, description: text })
  fc.assert(
    fc.property(fc.array(tool), text, (some, query) => {
      const ranked = rankTools([...some, ...some], query)
      expect(rankTools([...some, ...some], query)).toEqual(ranked)
      const place = new Map(ranked.map(({ index }, at) => [index, at]))
      const first = some.map((_one, index) => place.get(index) ?? -1)
      const second = some.map((_one, index) => place.get(index + some.length) ?? -1)
      expect(first.filter((at, index) => at > (second[index] ?? -1))).toEqual([])
    }),
  )
})

test('what is no tool does no harm', () => {
  expect(rankTools([null, 1, 'x', { inputSchema: [] }], 'x')).toEqual([])
})
