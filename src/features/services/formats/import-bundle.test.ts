import { mkdtempDisposable, readFile, readdir, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { writeZip, type ZipEntry } from '../../../../test/support/zip-writer.ts'
import { AppError } from '../../../lib/errors.ts'
import { systemAuthor } from '../../../net/requester.ts'
import { archiveLimits, openBundle } from './bundle-archive.ts'
import { readBundleManifest } from './bundle-manifest.ts'
import { importBundle } from './import-bundle.ts'
import type { NewServiceBody } from './import-services.ts'

const manifest = {
  manifest_version: '0.3',
  name: 'My Server',
  version: '1.0.0',
  description: 'Does things',
  server: {
    type: 'node',
    entry_point: 'server/index.js',
    mcp_config: {
      command: 'node',
      args: ['${__dirname}/server/index.js', '${user_config.dirs}', '--max=${user_config.max}'],
      env: { TOKEN: '${user_config.token}', NOTE: '${user_config.note}' },
    },
  },
  user_config: {
    dirs: { type: 'directory', multiple: true, default: ['/a', '${HOME}/b'] },
    max: { type: 'number', default: 10 },
    token: { type: 'string', sensitive: true, required: true, description: 'A token' },
    note: { type: 'string' },
  },
}
const manifestEntry: ZipEntry = { name: 'manifest.json', content: JSON.stringify(manifest) }

test('a bundle is unpacked for this user alone, and its service runs in it', async () => {
  await using place = await createPlace()
  const bytes = writeZip([
    manifestEntry,
    { name: 'server/' },
    { name: 'server/index.js', content: 'run()' },
    { name: 'server/tool', content: '#!', mode: 0o100755 },
  ])
  const [outcome] = await place.bring(bytes)
  const [folder = ''] = await readdir(place.bundlesDir)
  const root = path.join(place.bundlesDir, folder)
  expect(folder).toMatch(/^My-Server-[0-9a-f]{16}$/)
  expect(await readFile(path.join(root, 'server/index.js'), 'utf8')).toBe('run()')
  expect([await modeOf(root), await modeOf(path.join(root, 'server/index.js'))]).toEqual([
    0o700, 0o600,
  ])
  expect(await modeOf(path.join(root, 'server/tool'))).toBe(0o700)
  expect(place.created).toMatchObject([
    {
      name: 'My-Server',
      enabled: false,
      upstream: {
        command: 'node',
        args: [`${root}/server/index.js`, '/a', '${input:HOME}/b', '--max=10'],
        env: { TOKEN: '${input:token}' },
        cwd: root,
      },
    },
  ])
  expect(outcome?.inputs).toMatchObject([
    { name: 'HOME', isSecret: false },
    { name: 'token', isSecret: true, description: 'A token', fields: ['env.TOKEN'] },
  ])
})

test('a dry run unpacks nothing', async () => {
  await using place = await createPlace()
  const [outcome] = await place.bring(writeZip([manifestEntry]), { dryRun: true })
  expect(outcome).toMatchObject({ status: 'created', name: 'My-Server' })
  expect([await readdir(place.root), place.created]).toEqual([[], []])
})

test('where no service comes of it, nothing stays', async () => {
  await using place = await createPlace(() => {
    throw new AppError('insufficient_scope', 'This needs another scope.')
  })
  const [outcome] = await place.bring(writeZip([manifestEntry]))
  expect(outcome).toMatchObject({ status: 'failed', message: 'This needs another scope.' })
  expect(await readdir(place.bundlesDir)).toEqual([])
})

test('a program in the bundle is made executable, and one that is missing is an error', async () => {
  await using place = await createPlace()
  const server = { type: 'binary', entry_point: 'bin/run' }
  const content = JSON.stringify({ name: 'b', server })
  const bare = { name: 'manifest.json', content }
  await place.bring(writeZip([bare, { name: 'bin/run', content: 'x' }]))
  const [folder = ''] = await readdir(place.bundlesDir)
  expect(await modeOf(path.join(place.bundlesDir, folder, 'bin/run'))).toBe(0o700)
  await expect(place.bring(writeZip([bare]))).rejects.toThrow('lacks the program')
  expect(await readdir(place.bundlesDir)).toEqual([folder])
})

test.each([
  ['a name above the folder', [{ name: '../evil' }]],
  ['a name above the folder, later', [{ name: 'a/../../evil' }]],
  ['an absolute name', [{ name: '/evil' }]],
  ['a name of another system', [{ name: 'a\\..\\evil' }]],
  ['a drive', [{ name: 'C:/evil' }]],
  ['a symbolic link', [{ name: 'link', content: '/etc', mode: 0o120777 }]],
  ['a device', [{ name: 'null', mode: 0o020666 }]],
  ['a name twice', [{ name: 'A' }, { name: 'a' }]],
  ['a wrong size', [{ name: 'a', content: 'abc', claimedBytes: 2 }]],
  ['a file that another needs as a folder', [{ name: 'a' }, { name: 'a/b' }]],
])('%s is refused and leaves nothing', async (_what, entries) => {
  await using place = await createPlace()
  const bytes = writeZip([manifestEntry, ...entries])
  await expect(place.bring(bytes)).rejects.toMatchObject({ code: 'invalid_request' })
  expect(place.created).toEqual([])
  expect(await readdir(place.root, { recursive: true })).toEqual(
    (await readdir(place.root)).length === 0 ? [] : ['bundles'],
  )
})

test('what is no archive, or has no manifest, is refused', async () => {
  for (const bytes of [Buffer.from('nonsense'), Buffer.alloc(0), writeZip([{ name: 'a' }])]) {
    await expect(openBundle(bytes)).rejects.toMatchObject({ code: 'invalid_request' })
  }
})

test('a bundle that unpacks to too much is refused before it is unpacked', async () => {
  const large = 9 * 1024 * 1024
  const bomb = writeZip([manifestEntry, { name: 'zeros', content: Buffer.alloc(large) }])
  await expect(openBundle(bomb)).rejects.toMatchObject({ code: 'request_too_large' })
  const liar = writeZip([manifestEntry, { name: 'a', claimedBytes: 600 * 1024 * 1024 }])
  await expect(openBundle(liar)).rejects.toMatchObject({ code: 'request_too_large' })
  const many = writeZip([manifestEntry, { name: 'a' }, { name: 'b' }])
  await expect(openBundle(many, { ...archiveLimits, entriesMax: 2 })).rejects.toMatchObject({
    code: 'request_too_large',
  })
})

test.each([
  ['node', ['node', '/b/main']],
  ['python', ['python3', '/b/main']],
  ['uv', ['uv', 'run', '--directory', '/b', '/b/main']],
  ['binary', ['/b/main']],
])('a manifest may leave it to the type %s how its server is run', (type, argv) => {
  const read = readBundleManifest(
    { name: 'b', server: { type, entry_point: 'main' } },
    { folder: '/b', platform: 'linux' },
  )
  const upstream = read.services[0]?.body.upstream
  expect(upstream?.kind === 'process' && [upstream.command, ...(upstream.args ?? [])]).toEqual(argv)
})

test('what a manifest says of this platform comes before the rest', () => {
  const platform_overrides = { linux: { args: ['l'], env: { B: '2' } }, win32: { command: 'w' } }
  const mcp_config = { command: 'server/run', args: ['x'], env: { A: '1' }, platform_overrides }
  const compatibility = { platforms: ['darwin'] }
  const read = readBundleManifest(
    { name: 'b', server: { type: 'node', mcp_config }, compatibility },
    { folder: '/b', platform: 'linux' },
  )
  expect(read.services[0]).toMatchObject({
    body: { upstream: { command: '/b/server/run', args: ['l'], env: { A: '1', B: '2' } } },
    warnings: ['The bundle is not made for linux.'],
  })
})

async function createPlace(onCreate: () => void = () => undefined) {
  const folder = await mkdtempDisposable(path.join(tmpdir(), 'portico-bundles-'))
  const bundlesDir = path.join(folder.path, 'bundles')
  const created: NewServiceBody[] = []
  const deps = {
    bundlesDir,
    services: () => [],
    create: async (_requester: unknown, _workspaceId: string, body: NewServiceBody) => {
      onCreate()
      created.push(body)
      return { id: 'svc_1' }
    },
  }
  const requester = {
    ...systemAuthor,
    principal: { keyId: 'key_1', workspaceId: 'default', scopes: new Set<never>() },
  }
  return {
    root: folder.path,
    bundlesDir,
    created,
    bring: (bytes: Buffer, { dryRun = false } = {}) =>
      importBundle(deps, bytes, {
        requester,
        workspaceId: 'default',
        values: {},
        dryRun,
        name: undefined,
      }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  }
}

async function modeOf(file: string): Promise<number> {
  return (await stat(file)).mode & 0o777
}
