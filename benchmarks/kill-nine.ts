// Kills a process that changes the store, 200 times or as many as the argument says, and counts what was lost.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { killWriters } from '../test/support/kill-nine.ts'

const rounds = Number(process.argv[2] ?? 200)

await using scope = new AsyncDisposableStack()
const dataDir = await mkdtemp(join(tmpdir(), 'portico-kill-nine-'))
scope.defer(() => rm(dataDir, { recursive: true, force: true }))

const { acknowledged, lost, torn, openMsMax } = await killWriters(dataDir, rounds)
console.log(`${rounds} kills, ${acknowledged} acknowledged changes`)
console.log(
  `lost ${lost.length}, torn apart ${torn.length}, slowest start ${openMsMax.toFixed(0)} ms`,
)
if (lost.length + torn.length > 0) process.exitCode = 1
