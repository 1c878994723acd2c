import { expect, test } from 'vitest'
import { nearest } from './nearest.ts'

const names = ['port', 'host', 'publicUrl', 'dashboardPort']

test.each([
  ['prot', 'port'],
  ['prt', 'port'],
  ['publicURL', 'publicUrl'],
  ['dashbordPort', 'dashboardPort'],
  ['hosts', 'host'],
])('takes %s for a slip of %s', (slip, meant) => {
  expect(nearest(slip, names)).toBe(meant)
})

test('suggests nothing for a word that resembles no name', () => {
  expect(nearest('colour', names)).toBeUndefined()
})
