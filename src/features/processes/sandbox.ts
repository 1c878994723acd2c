import { realpath } from 'node:fs/promises'
import { isAbsolute, relative } from 'node:path'
import type { Environment } from './base-environment.ts'
import { findProgram, tryCommand } from './find-program.ts'

/** What is to be run in the sandbox. */
interface SandboxedCommand {
  /** Absolute path as outside; has to be visible inside. */
  readonly file: string
  readonly args: readonly string[]
  /** The one folder of the host that is visible, and may be written to, under its own name. */
  readonly cwd: string
  /** The whole environment inside, but for PATH, HOME and TMPDIR, which belong to the sandbox. */
  readonly env: Environment
  /** Whether the network of the host is reachable; without it there is not even its loopback. */
  readonly network: boolean
}

/** A way to run programs where they see no files of the host but the system’s own below /usr, read-only. */
export interface Sandbox {
  /**
   * The command that runs another one inside. Its processes have a PID namespace of their own and die with it.
   * Throws when the program would not be visible.
   */
  wrap(command: SandboxedCommand): WrappedCommand
}

/** The command to run outside. What is secret in the environment stays out of its arguments, which everybody can see. */
interface WrappedCommand {
  readonly file: string
  readonly args: readonly string[]
  readonly env: Environment
}

/** The sandbox of this machine, or in one sentence why there is none. */
export type FoundSandbox = { readonly sandbox: Sandbox } | { readonly missing: string }

/** Where Portico’s own Node.js is inside; first on PATH there. */
const nodeInside = '/opt/node/bin/node'
const homeInside = '/home/program'
const ownVariables = {
  PATH: '/opt/node/bin:/usr/local/bin:/usr/bin:/bin',
  HOME: homeInside,
  TMPDIR: '/tmp',
}
/** Bubblewrap itself must not load code because of these: it still sees all files. Inside they are as harmless as the program. */
const loaderVariable = /^(LD_|GLIBC_|GCONV_)/
const systemFolders = ['/usr', '/bin', '/sbin', '/lib', '/lib64']
const linkerFiles = ['/etc/ld.so.cache', '/etc/alternatives']
const networkFiles = [
  '/etc/resolv.conf',
  '/etc/hosts',
  '/etc/nsswitch.conf',
  '/etc/ssl',
  '/etc/pki',
  '/etc/ca-certificates',
]

/** Looks for bubblewrap on `path`, and tries it: not every kernel and not every container lets it work. */
export async function findSandbox(path: string): Promise<FoundSandbox> {
  if (process.platform !== 'linux') return { missing: 'Sandboxes need Linux.' }
  const bubblewrap = await findProgram('bwrap', { path, folder: '/' })
  if (bubblewrap === undefined) return { missing: 'bubblewrap (bwrap) is not installed.' }
  const node = await realpath(process.execPath)
  const trial = [...isolation(node), ...visibleFiles(systemFolders), '--', 'true']
  const failure = await tryCommand(bubblewrap, trial)
  if (failure !== undefined) return { missing: `bubblewrap does not work here: ${failure}` }
  return { sandbox: { wrap: (command) => wrap({ bubblewrap, node }, command) } }
}

/** Whether `file` is `folder` or lies below it. Both absolute. */
export function isInFolder(folder: string, file: string): boolean {
  const way = relative(folder, file)
  return way === '' || (!way.startsWith('..') && !isAbsolute(way))
}

function wrap(
  { bubblewrap, node }: { readonly bubblewrap: string; readonly node: string },
  { file, args, cwd, env, network }: SandboxedCommand,
): WrappedCommand {
  const inside = file === node ? nodeInside : file
  const isVisible = [nodeInside, cwd, ...systemFolders].some((place) => isInFolder(place, inside))
  if (!isVisible) throw new Error(`spawn ${file} ENOENT: it is not visible in the sandbox`)
  const [inherited, loader] = [false, true].map((isLoader) =>
    Object.entries(env).filter(([name]) => loaderVariable.test(name) === isLoader),
  )
  const set = [...(loader ?? []), ...Object.entries(ownVariables)]
  return {
    file: bubblewrap,
    args: [
      ...isolation(node),
      ...(network ? [] : ['--unshare-net']),
      ...set.flatMap(([name, value]) => ['--setenv', name, value]),
      ...visibleFiles([...systemFolders, ...linkerFiles, ...(network ? networkFiles : [])]),
      '--bind',
      cwd,
      cwd,
      '--chdir',
      cwd,
      '--',
      inside,
      ...args,
    ],
    env: Object.fromEntries(inherited ?? []),
  }
}

function isolation(node: string): string[] {
  // A session of its own, so that SIGTERM reaches the program and not bubblewrap, with which everything dies at once.
  const namespaces =
    '--unshare-user --unshare-pid --unshare-ipc --unshare-uts --unshare-cgroup-try --cap-drop ALL --die-with-parent --new-session'
  const folders = ['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '--tmpfs', homeInside]
  return [...namespaces.split(' '), ...folders, '--ro-bind', node, nodeInside]
}

function visibleFiles(files: readonly string[]): string[] {
  return files.flatMap((file) => ['--ro-bind-try', file, file])
}
