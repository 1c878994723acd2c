import { expect, test } from 'vitest'
import { runConformance } from './support/conformance.ts'
import type { Requirements } from './support/conformance.ts'
import { startFixture } from './support/mcp-fixture.ts'
import type { FixtureForm } from './support/mcp-fixture.ts'

// What Portico retains is measured against these: a fixture that checks less would make it look better than it is.
const wholeLegacy = { scenarios: 30, complaints: [], checks: 70 }
const wholeModern = { scenarios: 37, complaints: [], checks: 121 }
const options = { timeout: 60_000 }

test('the legacy fixture passes every scenario of its era by itself', options, async () => {
  expect(await runDirectly('legacy', '2025-11-25')).toEqual(wholeLegacy)
})

test('the dual fixture passes every scenario of both eras by itself', options, async () => {
  expect(await runDirectly('dual', '2025-11-25')).toEqual(wholeLegacy)
  expect(await runDirectly('dual', '2026-07-28')).toEqual(wholeModern)
})

test('the modern fixture passes every scenario of its era by itself', options, async () => {
  expect(await runDirectly('modern', '2026-07-28')).toEqual(wholeModern)
})

async function runDirectly(form: FixtureForm, requirements: Requirements): Promise<object> {
  await using server = await startFixture(form)
  const { scenarios } = await runConformance(server.url, requirements)
  return {
    scenarios: scenarios.filter(({ isPassed }) => isPassed).length,
    complaints: scenarios.flatMap(({ complaints }) => complaints),
    checks: scenarios.reduce((total, { heldCount }) => total + heldCount, 0),
  }
}
