import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { providerCredential, startPortico } from './support/portico.ts'
import { startUpstream } from './support/upstream.ts'
import { chatStream, openAiSurface } from './support/upstream-answers.ts'
import { failing, hangUp, quoteCredential } from './support/upstream-faults.ts'

const encryptionKey = 'canary-master-key-4fTz8Lq2Wm6Rb1Xc'
const headerSecret = 'canary-header-secret-9Hd3'
const unknownKey = 'ptk_canaryUnknownKey7Yw2Nq5Rt8Kp3Zv6'

test('S09 S73 no secret shows in logs, metrics, answers, the audit trail, the database or at the provider', async () => {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'portico-canary-'))
  await using scope = new AsyncDisposableStack()
  scope.defer(() => rm(dataDir, { recursive: true, force: true }))
  const upstream = scope.use(await startUpstream())
  const seen: string[] = []
  const secrets: string[] = [encryptionKey, headerSecret, unknownKey, providerCredential]
  const keysOfOurs: string[] = []
  {
    await using portico = await startPortico({ dataDir, encryptionKey, 'log.level': 'debug' })
    const { id } = await portico.addProvider(upstream, { headers: { 'x-secret': headerSecret } })
    const { id: keyId, key } = await portico.createKey({ allowQuery: true, logPrompts: true })
    const list = await portico.createKey({ scopes: ['manage', 'models:use'] })
    const shared = 'doro-canary-6f9619ff-8b86-4011-b42d'
    keysOfOurs.push(portico.adminKey, key, list.key, shared)

    const admin = { key: portico.adminKey }
    const chat = {
      model: 'm',
      messages: [{ role: 'user', content: `my key is ${providerCredential}` }],
    }
    const send = async (...[method, route, sent]: Parameters<typeof portico.send>) => {
      const { text, headers } = await portico.send(method, route, sent)
      // The list of settings names its own id, which is what its reader asked for.
      if (!route.startsWith('/ptk')) seen.push(text, JSON.stringify(headers))
    }
    upstream.script(openAiSurface(), chatStream(), failing(500), quoteCredential(), hangUp())
    for (const stream of [false, true, false, false, false]) {
      await send('POST', '/v1/chat/completions', { key, body: { ...chat, stream } })
    }
    await send('GET', `/v1/models?apiKey=${key}`)
    await send('GET', `/v1/models?api_key=${unknownKey}`)
    await send('GET', '/v1/models', { key: unknownKey })
    await send('GET', `/${portico.adminKey}`)
    await send('GET', `/${unknownKey}`)
    await send('GET', `/${list.key}`)
    await send('POST', `/${list.key}?type=key`, {
      body: [{ id: shared, name: 'shared', parentId: '', enabled: true }],
    })
    await send('GET', '/v1/models', { headers: { apikey: shared } })
    await send('PATCH', `/api/providers/${id}`, { ...admin, body: { apiKey: providerCredential } })
    await send('POST', `/api/providers/${id}/check`, admin)
    await send('PATCH', `/api/keys/${keyId}`, { ...admin, body: { name: 'renamed' } })
    await send('POST', '/api/keys', { ...admin, body: { apiKey: providerCredential } })
    await send('POST', '/api/keys', { ...admin, body: `{"${providerCredential}` })
    for (const route of ['keys', 'providers', 'audit', 'usage', 'usage/requests', 'prompts']) {
      await send('GET', `/api/${route}`, admin)
    }
    await send('GET', '/metrics', admin)
    seen.push(portico.logged)
  }
  seen.push(await everyByteIn(dataDir))

  const everything = seen.join('\n')
  expect(everything).toContain('renamed')
  for (const secret of [...secrets, ...keysOfOurs]) {
    expect(contextOf(secret, everything)).toBe('')
  }
  const atProvider = upstream.requests.map(({ url, rawHeaders }) => [url, ...rawHeaders].join('\n'))
  for (const secret of [...keysOfOurs, encryptionKey]) {
    expect(contextOf(secret, atProvider.join('\n'))).toBe('')
  }
})

/** Every file of the folder, read as text of one byte a character. */
async function everyByteIn(folder: string): Promise<string> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true })
  const texts = files
    .filter((file) => file.isFile())
    .map((file) => readFile(path.join(file.parentPath, file.name), 'latin1'))
  return (await Promise.all(texts)).join('\n')
}

/** What stands around a secret that was found; empty when there is none. */
function contextOf(secret: string, text: string): string {
  const at = text.indexOf(secret)
  return at < 0 ? '' : text.slice(Math.max(0, at - 80), at + secret.length + 20)
}
