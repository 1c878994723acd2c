import { Command, CommanderError, Option } from 'commander'
import { readVersion } from '../lib/version.ts'
import { reportError } from './report-error.ts'
import type { ConfigOptions } from './config-options.ts'

/**
 * Runs one command line (without program and script name) and resolves to the exit code:
 * 0 done, 1 failed, 2 wrong usage or configuration. Modules of a command are loaded when it is chosen.
 */
export async function runProgram(args: readonly string[]): Promise<number> {
  let exitCode = 0
  const program = createProgram((code) => {
    exitCode = code
  })
  await program.parseAsync([...args], { from: 'user' }).catch((error: unknown) => {
    exitCode = error instanceof CommanderError ? usageExitCode(error) : reportError(error)
  })
  return exitCode
}

function createProgram(finish: (exitCode: number) => void): Command {
  const program = new Command('portico')
    .description('One self-hosted door for everything an AI agent reaches.')
    .exitOverride()
    .showHelpAfterError('Run portico --help for what there is.')

  withConfigOptions(program.command('serve'))
    .description('start the gateway')
    .action(async (options: ConfigOptions) => {
      const { serve } = await import('./serve.ts')
      finish(await serve(options))
    })

  withConfigOptions(program.command('backup'))
    .description('write a consistent copy of the database, also while the gateway runs')
    .argument('<file>', 'file to write')
    .action(async (file: string, options: ConfigOptions) => {
      const [{ runBackup }, { readOptions }] = await Promise.all([
        import('./backup.ts'),
        import('./config-options.ts'),
      ])
      await runBackup({ file, config: readOptions(options).load() })
    })

  withConfigOptions(program.command('restore'))
    .description('replace the database by a backup')
    .argument('<file>', 'backup to read')
    .option('--force', 'overwrite the data that is there', false)
    .action(async (file: string, { force, ...options }: ConfigOptions & { force: boolean }) => {
      const [{ runRestore }, { readOptions }] = await Promise.all([
        import('./restore.ts'),
        import('./config-options.ts'),
      ])
      await runRestore({ file, force, config: readOptions(options).load() })
    })

  addCheckCommands(program, finish)
  addConnectCommand(program, finish)
  program
    .command('version')
    .description('print the versions of Portico and Node.js')
    .action(() => console.log(`portico ${readVersion()} (Node.js ${process.versions.node})`))
  return program
}

function addCheckCommands(program: Command, finish: (exitCode: number) => void): void {
  const config = program.command('config').description('work with the configuration')
  withConfigOptions(config.command('check'))
    .description('check file, environment and options, and start nothing')
    .action(async (options: ConfigOptions) => {
      const { checkConfig } = await import('./check-config.ts')
      checkConfig(options)
    })

  withConfigOptions(program.command('doctor'))
    .description('check a running gateway from outside, up to a streamed answer')
    .option('--url <url>', 'its base URL; otherwise the port of the configuration on this machine')
    .option('--key-file <file>', 'file with the key to use; otherwise PORTICO_KEY')
    .action(async (options: ConfigOptions & { url?: string; keyFile?: string }) => {
      const { examine } = await import('./doctor.ts')
      finish(await examine(options))
    })
}

function addConnectCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('connect')
    .description('speak MCP on standard input and output for a service of a running gateway')
    .argument('<name>', 'service or bundle, or the URL of an MCP endpoint')
    .option('--url <url>', 'base URL of the gateway', 'http://127.0.0.1:8437')
    .option('--key <key>', 'key to use; better PORTICO_KEY, which no process list shows')
    .action(async (name: string, options: { url: string; key?: string }) => {
      const { connect } = await import('./connect.ts')
      finish(await connect(name, options))
    })
}

function withConfigOptions(command: Command): Command {
  return command
    .option(
      '--config <file>',
      'configuration file; otherwise portico.yaml or portico.json in this folder',
    )
    .option('--host <address>', 'address of the public listener')
    .option('--port <number>', 'port of the public listener')
    .option('--dashboard-port <number>', 'port of the dashboard')
    .option('--data-dir <folder>', 'folder of the embedded database')
    .option('--public-url <url>', 'URL under which clients reach the public listener')
    .addOption(new Option('--log-level <level>', 'debug, info, warn or error'))
}

// Help that was asked for is thrown as well.
function usageExitCode(error: CommanderError): number {
  return error.exitCode === 0 ? 0 : 2
}
