// Foreign programs that tests and benchmarks run beside Portico, at exact versions: installed when first asked for.
// They come with install scripts, which nothing of ours may need: so they are in no lock file, and their scripts never run.
// As a command, `node scripts/peers.ts` installs all of them.
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, realpath, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'

const peers = {
  inspector: {
    packageName: '@modelcontextprotocol/inspector',
    version: '2.12.0',
    bin: 'mcp-inspector',
  },
  supergateway: { packageName: 'supergateway', version: '4.0.0', bin: 'supergateway' },
  'mcp-proxy': { packageName: 'mcp-proxy', version: '6.7.19', bin: 'mcp-proxy' },
} as const

/** A foreign program by its short name. */
export type PeerName = keyof typeof peers

const folder = path.join(import.meta.dirname, '../node_modules/.peers')
const installTimeoutMs = 300_000
const pending = new Map<PeerName, Promise<string>>()

/**
 * Path of the program's script, to be run with Node.js; installs it first where it is missing.
 * Throws with the output of npm when that fails.
 */
export function ensurePeer(name: PeerName): Promise<string> {
  const running = pending.get(name) ?? findPeer(name).then((found) => found ?? install(name))
  pending.set(name, running)
  void running.catch(() => pending.delete(name))
  return running
}

function homeOf(name: PeerName): string {
  return path.join(folder, `${name}-${peers[name].version}`)
}

async function findPeer(name: PeerName): Promise<string | undefined> {
  const link = path.join(homeOf(name), 'node_modules/.bin', peers[name].bin)
  return realpath(link).catch(() => undefined)
}

/** Installs into a folder of its own and moves that into place whole: processes that race all end up with one of them. */
async function install(name: PeerName): Promise<string> {
  const { packageName, version } = peers[name]
  const draft = path.join(folder, `.${name}-${randomUUID()}`)
  await using scope = new AsyncDisposableStack()
  scope.defer(() => rm(draft, { recursive: true, force: true }))
  await mkdir(draft, { recursive: true })
  await writeFile(path.join(draft, 'package.json'), '{ "private": true }\n')
  await runNpm([
    'install',
    '--ignore-scripts',
    '--no-save',
    '--no-audit',
    '--no-fund',
    `--prefix=${draft}`,
    `${packageName}@${version}`,
  ])
  // Fails when another process has been quicker, and then its folder is as good.
  await rename(draft, homeOf(name)).catch(() => undefined)
  const found = await findPeer(name)
  if (found === undefined) throw new Error(`${packageName}@${version} has no ${peers[name].bin}`)
  return found
}

async function runNpm(args: readonly string[]): Promise<void> {
  const child = spawn('npm', args, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: installTimeoutMs,
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`npm ${args.join(' ')} failed:\n${output}`)
}

if (import.meta.main) {
  for (const name of Object.keys(peers) as PeerName[]) {
    console.log(`${name}: ${await ensurePeer(name)}`)
  }
}
