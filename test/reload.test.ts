import { once } from 'node:events'
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, test, vi } from 'vitest'
import { holdStream } from './support/held-stream.ts'
import { createHome, processAdminKey, startProcess } from './support/portico-process.ts'
import type { PorticoHome, PorticoProcess } from './support/portico-process.ts'
import { failing } from './support/upstream-faults.ts'
import { chat } from './support/upstream-answers.ts'
import { startUpstream } from './support/upstream.ts'

const patience = { timeout: 5_000, interval: 20 }
const origin = 'https://app.example'

/** Starts with a file in which only what is given differs from the defaults. */
async function startConfigured(
  home: PorticoHome,
  config: object | string,
): Promise<PorticoProcess> {
  await home.configure(config)
  return startProcess(home, ['--config', home.configFile])
}

test('SIGHUP makes a changed file effective, without a stream that runs noticing', async () => {
  await using upstream = await startUpstream()
  await using home = await createHome()
  // Where the text lies behind a link, only the signal tells of a change.
  const hidden = path.join(home.dataDir, 'hidden.yaml')
  await mkdir(home.dataDir)
  await symlink(hidden, home.configFile)
  await using portico = await startConfigured(home, { log: { level: 'error', access: false } })
  await portico.addProvider(upstream)
  const held = holdStream()
  upstream.script(held.behaviour, failing(418), failing(418), chat())
  const ask = (body: object) => portico.ask('POST', '/v1/chat/completions', { body })
  const stream = await ask({ model: 'm', stream: true, messages: [] })
  expect((await ask({ model: 'm', messages: [] })).status).toBe(418)
  expect(await allowsOrigin(portico)).toBe(false)

  await home.configure({
    log: { level: 'info' },
    server: { allowedOrigins: [origin] },
    models: { retryStatuses: [418] },
  })
  portico.child.kill('SIGHUP')
  await portico.printed('configuration reloaded')

  expect(await allowsOrigin(portico)).toBe(true)
  await portico.ask('POST', '/api/providers', {
    body: { ...second, baseUrl: `${upstream.url}/v1` },
  })
  expect((await ask({ model: 'm', messages: [] })).status).toBe(200)
  held.release()
  expect(await stream.text()).toContain('[DONE]')
})

/** Another provider of the same model, for a retry to turn to. */
const second = { name: 'second', kind: 'openai', models: ['m'], apiKey: 'sk-2', allowPrivate: true }

test('a change of the file is noticed, also when it is replaced by another', async () => {
  await using home = await createHome()
  await using portico = await startConfigured(home, { log: { access: false } })
  expect(await allowsOrigin(portico)).toBe(false)
  const replacement = `${home.configFile}.new`
  await writeFile(replacement, `server:\n  allowedOrigins: ['${origin}']\n`)
  await rename(replacement, home.configFile)
  await portico.printed('configuration reloaded')
  expect(await allowsOrigin(portico)).toBe(true)
})

test('an invalid file changes nothing and is reported with line and column; the next valid one counts', async () => {
  await using home = await createHome()
  const valid = `server:\n  allowedOrigins: ['${origin}']\n`
  await using portico = await startConfigured(home, valid)
  await home.configure(`server:\n  allowedOrigins: ['${origin}']\nmodels:\n  attemptsMax: many\n`)
  await portico.printed('configuration not reloaded')
  expect(portico.output).toContain('models.attemptsMax')
  expect(portico.output).toMatch(/portico\.yaml:4:16|line 4, column 16/)
  expect(await allowsOrigin(portico)).toBe(true)

  await home.configure('server: [\n')
  await vi.waitFor(
    () => expect(portico.output.match(/configuration not reloaded/g)).toHaveLength(2),
    patience,
  )
  expect(await allowsOrigin(portico)).toBe(true)

  await home.configure('log:\n  level: info\n')
  await portico.printed('configuration reloaded')
  expect(await allowsOrigin(portico)).toBe(false)
})

test('a setting that needs a restart is named and keeps its value', async () => {
  await using home = await createHome()
  await using portico = await startConfigured(home, { limits: { jsonBytesMax: 1000 } })
  await home.configure({ limits: { connectionsMax: 1 }, server: { dashboardHost: '0.0.0.0' } })
  await portico.printed('configuration reloaded')
  expect(portico.output).toContain('server.dashboardHost')
  expect(portico.output).toContain('limits.connectionsMax')
  const statuses = await Promise.all([ready(portico), ready(portico), ready(portico)])
  expect(statuses).toEqual([200, 200, 200])
  portico.child.kill('SIGTERM')
  await once(portico.child, 'close')
})

async function allowsOrigin({ url }: PorticoProcess): Promise<boolean> {
  const response = await fetch(`${url}/v1/models`, {
    headers: { origin, authorization: `Bearer ${processAdminKey}` },
  })
  await response.body?.cancel()
  return response.headers.get('access-control-allow-origin') === origin
}

async function ready({ url }: PorticoProcess): Promise<number> {
  const response = await fetch(`${url}/readyz`)
  await response.body?.cancel()
  return response.status
}
