// Runs every example against a fresh Portico, each as a user would. Fails when one of them does.
import { spawn } from 'node:child_process'
import type { StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const adminKey = 'ptk_ExamplesExamplesExamplesExamples'
const quiet: StdioOptions = ['ignore', 'ignore', 'inherit']
const readyTimeoutMs = 20_000
const folder = new URL('../examples/', import.meta.url)

const dataDir = await mkdtemp(join(tmpdir(), 'portico-examples-'))
const port = await freePort()
const url = `http://127.0.0.1:${port}`
const settings = {
  PORTICO_ADMIN_KEY: adminKey,
  PORTICO_PORT: String(port),
  PORTICO_DASHBOARD_PORT: String(await freePort()),
}
const server = run(['src/bin.ts', 'serve', '--data-dir', dataDir], settings, quiet)
let failed = 0
await untilReady(Date.now() + readyTimeoutMs)
const names = (await readdir(folder)).filter((name) => name.endsWith('.ts')).sort()
for (const name of names) {
  console.log(`— examples/${name}`)
  const example = run([`examples/${name}`], { PORTICO_URL: url, PORTICO_KEY: adminKey })
  const [code] = (await once(example, 'exit')) as [number | null]
  if (code !== 0) failed += 1
}
server.kill('SIGTERM')
await once(server, 'exit')
await rm(dataDir, { recursive: true })
console.log(`examples: ${names.length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

function run(args: string[], env: Record<string, string>, stdio: StdioOptions = 'inherit') {
  const cwd = new URL('..', import.meta.url)
  return spawn(process.execPath, args, { cwd, env: { ...process.env, ...env }, stdio })
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port: free } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return free
}

async function untilReady(deadline: number): Promise<void> {
  for (;;) {
    const answer = await fetch(`${url}/readyz`).catch(() => undefined)
    if (answer?.ok === true) return
    if (Date.now() > deadline) throw new Error('Portico did not become ready')
    await pause(50)
  }
}
