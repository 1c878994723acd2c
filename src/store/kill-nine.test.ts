import { expect, test } from 'vitest'
import { killWriters } from '../../test/support/kill-nine.ts'
import { createLocation } from '../../test/support/store.ts'

// `node benchmarks/kill-nine.ts 200` does the same for longer.
test('R1 ten kills in the middle of changes lose none that was acknowledged and tear none apart', async () => {
  await using location = await createLocation('sqlite')
  const { acknowledged, lost, torn, openMsMax } = await killWriters(location.dataDir, 10)
  expect(acknowledged).toBeGreaterThan(10)
  expect(lost).toEqual([])
  expect(torn).toEqual([])
  expect(openMsMax).toBeLessThan(3000)
}, 60_000)
