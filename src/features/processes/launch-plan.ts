import { mkdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Environment } from './base-environment.ts'
import { findProgram, tryCommand } from './find-program.ts'
import { toFileName } from './file-name.ts'
import { markerVariable } from './process-table.ts'
import type { ProgramSpec } from './program-spec.ts'
import { isInFolder } from './sandbox.ts'
import type { Sandbox } from './sandbox.ts'

/** What the machine offers to run programs with. */
export interface LaunchTools {
  readonly baseEnvironment: Environment
  /** Where owners have their working folders. */
  readonly workFolder: string
  /** Paths of the two programs of util-linux; undefined where they are missing. */
  readonly prlimit: string | undefined
  readonly setpriv: string | undefined
  readonly sandbox: Sandbox | undefined
  /** What no sandbox may show: our own data. */
  readonly hiddenFolder: string
}

/** All that a spawn needs. */
export interface LaunchPlan {
  readonly file: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Environment
  readonly isSandboxed: boolean
}

const noCoreDumps = ['--core=0']
const endWithParent = ['--pdeathsig', 'TERM']

/** Finds `prlimit` and `setpriv` on `path`; both exist on Linux only. */
export async function findLaunchTools(
  path: string,
): Promise<Pick<LaunchTools, 'prlimit' | 'setpriv'>> {
  if (process.platform !== 'linux') return { prlimit: undefined, setpriv: undefined }
  const [prlimit, setpriv] = await Promise.all([
    findWorking(path, ['prlimit', ...noCoreDumps]),
    findWorking(path, ['setpriv', ...endWithParent]),
  ])
  return { prlimit, setpriv }
}

// Tried, because there are programs of the same name that know other options.
async function findWorking(
  path: string,
  [name = '', ...options]: readonly string[],
): Promise<string | undefined> {
  const place = { path, folder: '/' }
  const [file, harmless] = await Promise.all([findProgram(name, place), findProgram('true', place)])
  if (file === undefined || harmless === undefined) return undefined
  const failure = await tryCommand(file, [...options, '--', harmless])
  return failure === undefined ? file : undefined
}

/**
 * Turns a spec into the command to spawn, and makes sure of the working folder. `marker` goes into the environment.
 * Throws an error in the words of a failed spawn, e.g. `spawn foo ENOENT`.
 */
export async function planLaunch(
  spec: ProgramSpec,
  tools: LaunchTools,
  marker: string,
): Promise<LaunchPlan> {
  const { command, args } = spec
  const cwd = await ensureFolder(spec, tools.workFolder)
  const env: Environment = { ...tools.baseEnvironment, ...spec.env, [markerVariable]: marker }
  // Behind a wrapper a missing program would be the wrapper’s error, and look like an exit of the program.
  const file = hasWrapper(spec, tools)
    ? await findProgram(command, { path: env['PATH'] ?? '', folder: cwd })
    : command
  if (file === undefined) throw new Error(`spawn ${command} ENOENT`)
  const inner = await wrapInSandbox(spec, { file, args, cwd, env }, tools)
  const [first = file, ...rest] = [...limiters(spec, tools), inner.file, ...inner.args]
  return { file: first, args: rest, cwd, env: inner.env, isSandboxed: spec.sandbox !== null }
}

function hasWrapper({ sandbox }: ProgramSpec, { prlimit, setpriv }: LaunchTools): boolean {
  return sandbox !== null || prlimit !== undefined || setpriv !== undefined
}

async function ensureFolder({ cwd, owner }: ProgramSpec, workFolder: string): Promise<string> {
  if (cwd === undefined) {
    const folder = join(workFolder, toFileName(owner))
    await mkdir(folder, { recursive: true, mode: 0o700 })
    return await realpath(folder)
  }
  const found = await stat(cwd).catch(() => undefined)
  if (!found?.isDirectory()) throw new Error(`spawn ENOENT: there is no working folder ${cwd}`)
  return await realpath(cwd)
}

type Command = Pick<LaunchPlan, 'file' | 'args' | 'cwd' | 'env'>

async function wrapInSandbox(
  { sandbox: wanted }: ProgramSpec,
  command: Command,
  { sandbox, hiddenFolder }: LaunchTools,
): Promise<Omit<Command, 'cwd'>> {
  if (!wanted) return command
  if (!sandbox) throw new Error('there is no sandbox')
  // Asked once more, because the folder may be a link that leads elsewhere by now.
  if (isInFolder(command.cwd, await realpath(hiddenFolder))) {
    throw new Error(`${command.cwd} contains the data folder of Portico`)
  }
  return sandbox.wrap({ ...command, file: await visibleName(command.file), ...wanted })
}

// Node.js is known by the file that it really is; any other name may be one to which a program answers differently.
async function visibleName(file: string): Promise<string> {
  const [real, node] = await Promise.all([realpath(file), realpath(process.execPath)])
  return real === node ? node : file
}

/** No core dumps, CPU time bounded, and SIGTERM when we die without having stopped the program. */
function limiters(
  { limits: { cpuSecondsMax } }: ProgramSpec,
  { prlimit, setpriv }: LaunchTools,
): string[] {
  // First SIGXCPU, which names the reason; a second later the kernel kills.
  const cpu = cpuSecondsMax === null ? [] : [`--cpu=${cpuSecondsMax}:${cpuSecondsMax + 1}`]
  return [
    ...(setpriv === undefined ? [] : [setpriv, ...endWithParent, '--']),
    ...(prlimit === undefined ? [] : [prlimit, ...cpu, ...noCoreDumps, '--']),
  ]
}
