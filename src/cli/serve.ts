import { listWarnings } from '../config/warnings.ts'
import { collectWhenIdle } from '../server/idle-collection.ts'
import { startServer } from '../server/server.ts'
import type { RunningServer } from '../server/server.ts'
import { readOptions } from './config-options.ts'
import type { ConfigOptions } from './config-options.ts'
import { readVersion } from '../lib/version.ts'

// npm passes on a Ctrl+C that the terminal has already sent to the whole group.
const sameSignalMs = 500

/** Runs the gateway until a signal ends it, and resolves to the exit code once everything is closed. */
export async function serve(options: ConfigOptions): Promise<number> {
  const origin = readOptions(options)
  const config = origin.load()
  for (const warning of listWarnings(config)) console.error(`warning: ${warning}`)

  using stop = waitForStop()
  await using server = await startServer({
    config,
    configFile: origin.file,
    reload: () => origin.load(),
  })
  announce(server)
  using _ = collectWhenIdle()
  const reload = (): void => void server.reload()
  process.on('SIGHUP', reload)
  await stop.requested
  process.off('SIGHUP', reload)
  return 0
}

function announce({ publicUrl, dashboardUrl, generatedAdminKey }: RunningServer): void {
  console.log(`Portico ${readVersion()} is ready.`)
  console.log(`  public     ${publicUrl}`)
  console.log(`  dashboard  ${dashboardUrl}`)
  if (generatedAdminKey === undefined) return
  console.log(`  admin key  ${generatedAdminKey}`)
  console.log('The admin key is shown this once and stored as a hash: keep it in a safe place.')
}

/** The first SIGTERM or SIGINT asks for an orderly end; a later one ends the process at once, as an interrupt. */
function waitForStop(): Disposable & { readonly requested: Promise<void> } {
  const { promise: requested, resolve } = Promise.withResolvers<void>()
  let firstAt: number | undefined
  const onSignal = (): void => {
    const now = performance.now()
    firstAt ??= now
    resolve()
    if (now - firstAt < sameSignalMs) return
    release()
    process.kill(process.pid, 'SIGINT')
  }
  const release = (): void => {
    process.off('SIGTERM', onSignal)
    process.off('SIGINT', onSignal)
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  return { requested, [Symbol.dispose]: release }
}
