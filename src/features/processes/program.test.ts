import { expect, test } from 'vitest'
import {
  echoScript,
  isRunning,
  nodeProgram,
  openTestProcesses,
  reachState,
  readLines,
  until,
} from '../../../test/support/processes.ts'

test('a program answers line by line', async () => {
  await using processes = await openTestProcesses()
  const child = await processes.supervise(nodeProgram(echoScript())).start()
  const lines = readLines(child)
  expect(await lines.next()).toBe(`ready ${child.pid}`)
  await child.write(Buffer.from('one'))
  await child.write(Buffer.from('two'))
  expect([await lines.next(), await lines.next()]).toEqual(['one', 'two'])
})

test('starts that come together share one child', async () => {
  await using processes = await openTestProcesses()
  const program = processes.supervise(nodeProgram(echoScript()))
  const [one, other] = await Promise.all([program.start(), program.start()])
  expect(one).toBe(other)
  expect(await program.start()).toBe(one)
})

test('every change of state is told', async () => {
  await using processes = await openTestProcesses()
  const program = processes.supervise(nodeProgram(echoScript()))
  const states: string[] = []
  const end = program.onChange(({ state }) => states.push(state))
  await program.start()
  expect(program.state).toMatchObject({ state: 'running' })
  await program.stop()
  end()
  await program.start()
  expect(states).toEqual(['starting', 'running', 'stopping', 'stopped'])
})

test('a program that does not exist is named in the error', async () => {
  await using processes = await openTestProcesses()
  const program = processes.supervise(nodeProgram('', { command: 'no-such-program-4711' }))
  await expect(program.start()).rejects.toMatchObject({
    code: 'service_failed',
    message: expect.stringContaining('spawn no-such-program-4711 ENOENT'),
  })
  expect(program.state).toMatchObject({ state: 'backoff', exit: { code: null, stderr: [] } })
})

test('a working folder that does not exist is named in the error', async () => {
  await using processes = await openTestProcesses()
  const program = processes.supervise(nodeProgram('', { cwd: '/no/such/folder' }))
  await expect(program.start()).rejects.toThrow('there is no working folder /no/such/folder')
})

test('a child that is killed is started again, and its requests learn of it', async () => {
  await using processes = await openTestProcesses()
  const restart = { auto: true, maxRestarts: 5, windowMs: 60_000 }
  const program = processes.supervise(nodeProgram(echoScript(), { restart }))
  const child = await program.start()
  process.kill(child.pid, 'SIGKILL')
  expect(await child.exited).toMatchObject({ code: null, signal: 'SIGKILL', error: null })
  await expect(child.write(Buffer.from('late'))).rejects.toMatchObject({ code: 'service_failed' })
  const { pid } = await reachState(program, 'running')
  expect(pid).not.toBe(child.pid)
  expect(program.restarts).toBe(1)
})

test('without restarts of its own, the next start starts it', async () => {
  await using processes = await openTestProcesses()
  const program = processes.supervise(nodeProgram(echoScript()))
  const child = await program.start()
  process.kill(child.pid, 'SIGKILL')
  await reachState(program, 'backoff')
  const next = await program.start()
  expect(next.pid).not.toBe(child.pid)
  expect(program.restarts).toBe(1)
})

test('a crash loop ends as crashed, says why, and force starts it again', async () => {
  await using processes = await openTestProcesses()
  const script = 'console.error("no token"); setTimeout(() => process.exit(3), 50)'
  const restart = { auto: true, maxRestarts: 2, windowMs: 60_000 }
  const program = processes.supervise(nodeProgram(script, { restart }))
  await program.start()
  const { exit } = await reachState(program, 'crashed')
  expect(exit).toEqual({ code: 3, signal: null, error: null, stderr: ['no token'] })
  expect(program.restarts).toBe(2)
  await expect(program.start()).rejects.toMatchObject({
    code: 'service_failed',
    message: expect.stringContaining('ended with code 3; it crashed too often'),
    details: { hint: expect.stringContaining('no token') },
  })
  await program.start({ force: true })
  expect(program.state.state).toBe('running')
})

test('the last 20 lines of stderr are kept', async () => {
  await using processes = await openTestProcesses()
  const script = 'for (let n = 1; n <= 30; n++) console.error("line " + n); process.exitCode = 1'
  const child = await processes.supervise(nodeProgram(script)).start()
  const { stderr } = await child.exited
  expect(stderr).toHaveLength(20)
  expect([stderr.at(0), stderr.at(-1)]).toEqual(['line 11', 'line 30'])
})

test('a start during a long backoff fails at once, and says when to come back', async () => {
  await using processes = await openTestProcesses({
    random: () => 0.99,
    config: { backoffBaseMs: 30_000 },
  })
  const program = processes.supervise(nodeProgram('process.exit(1)'))
  await program.start()
  await reachState(program, 'backoff')
  await expect(program.start()).rejects.toMatchObject({
    code: 'service_failed',
    details: { retryAfterMs: expect.toSatisfy((ms: number) => ms > 25_000 && ms < 30_000) },
  })
  await expect(program.start({ force: true })).resolves.toBeDefined()
})

test('a start waits out a short backoff', async () => {
  await using processes = await openTestProcesses({
    random: () => 0.5,
    config: { backoffBaseMs: 400 },
  })
  const program = processes.supervise(nodeProgram('process.exit(1)'))
  const first = await program.start()
  const { retryAt } = await reachState(program, 'backoff')
  const second = await program.start()
  expect(Date.now()).toBeGreaterThanOrEqual(retryAt - 2)
  expect(second.pid).not.toBe(first.pid)
})

test('a stop ends a start that waits', async () => {
  await using processes = await openTestProcesses({
    random: () => 0.9,
    config: { backoffBaseMs: 1_000 },
  })
  const program = processes.supervise(nodeProgram('process.exit(1)'))
  await program.start()
  await reachState(program, 'backoff')
  const failed = failureOf(program.start())
  await program.stop()
  expect(await failed).toMatchObject({ code: 'service_failed' })
  expect(program.state.state).toBe('stopped')
})

test('a stop in the middle of a start leaves nothing', async () => {
  await using processes = await openTestProcesses()
  const program = processes.supervise(nodeProgram(echoScript()))
  const failed = failureOf(program.start())
  await program.stop()
  expect(await failed).toMatchObject({ code: 'service_failed' })
  expect(program.state.state).toBe('stopped')
})

test('a start during a stop waits for it and then starts', async () => {
  await using processes = await openTestProcesses()
  const program = processes.supervise(nodeProgram(echoScript()))
  const first = await program.start()
  const stopped = program.stop()
  const second = await program.start()
  await stopped
  expect(isRunning(first.pid)).toBe(false)
  expect(isRunning(second.pid)).toBe(true)
  expect(program.state.state).toBe('running')
})

test('a caller that goes away leaves the start to the others', async () => {
  await using processes = await openTestProcesses()
  const program = processes.supervise(nodeProgram(echoScript()))
  const gone = new AbortController()
  const failed = failureOf(program.start({ signal: gone.signal }))
  const other = program.start()
  gone.abort(new Error('gone'))
  expect(await failed).toBe(gone.signal.reason)
  expect((await other).pid).toBeGreaterThan(0)
})

test('after disposal nothing starts any more', async () => {
  const processes = await openTestProcesses()
  const program = processes.supervise(nodeProgram(echoScript()))
  const { pid } = await program.start()
  await processes[Symbol.asyncDispose]()
  expect(isRunning(pid)).toBe(false)
  await expect(program.start()).rejects.toMatchObject({ code: 'service_failed' })
})

test('a program inherits a short list of our environment, and what it is given', async () => {
  await using processes = await openTestProcesses({
    environment: {
      ...process.env,
      PATH: '/usr/bin:/bin',
      PORTICO_ADMIN_KEY: 'canary',
      DATABASE_URL: 'canary',
      LANG: 'C',
    },
  })
  const script = 'console.log(JSON.stringify(process.env))'
  const child = await processes.supervise(nodeProgram(script, { env: { TOKEN: 't' } })).start()
  const environment: unknown = JSON.parse(await readLines(child).next())
  expect(environment).toMatchObject({ TOKEN: 't', LANG: 'C', PATH: '/usr/bin:/bin' })
  const allowed = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'USER', 'LOGNAME']
  const names = Object.keys(environment as object).filter((name) => !allowed.includes(name))
  expect(names.toSorted()).toEqual(['SUPERVISED_RUN', 'TOKEN'])
})

test('arguments reach the program as they are, and no shell sees them', async () => {
  await using processes = await openTestProcesses()
  const script = 'console.log(JSON.stringify(process.argv.slice(1)))'
  const given = ['$(id)', 'a b', '; exit', '--cpu=1', '']
  const spec = nodeProgram(script, { args: ['-e', script, '--', ...given] })
  const child = await processes.supervise(spec).start()
  expect(JSON.parse(await readLines(child).next())).toEqual(given)
})

test('a full pipe makes the writer wait, and loses nothing', async () => {
  await using processes = await openTestProcesses()
  const script = `setInterval(() => {}, 1000)
    console.log('ready')
    process.once('SIGUSR2', () => {
      let bytes = 0
      process.stdin.on('data', (chunk) => {
        bytes += chunk.length
        if (bytes === 64 * 65536) console.log('all')
      })
    })`
  const child = await processes.supervise(nodeProgram(script)).start()
  const lines = readLines(child)
  await lines.next()
  const line = Buffer.alloc(65_535, 'x')
  const writes = Array.from({ length: 64 }, () => child.write(line))
  let hasRoom = false
  const room = writes.at(-1)?.then(() => (hasRoom = true))
  expect(room).toBeDefined()
  expect(hasRoom).toBe(false)
  process.kill(child.pid, 'SIGUSR2')
  await room
  expect(await lines.next()).toBe('all')
})

test('a writer that waits learns that the program is gone', async () => {
  await using processes = await openTestProcesses()
  const child = await processes.supervise(nodeProgram('setInterval(() => {}, 1000)')).start()
  const line = Buffer.alloc(1024 * 1024, 'x')
  const failed = failureOf(child.write(line))
  process.kill(child.pid, 'SIGKILL')
  expect(await failed).toMatchObject({ code: 'service_failed' })
})

test('one program after the other starts, where one at a time may', async () => {
  await using processes = await openTestProcesses({ config: { startsMax: 1, startSlotMs: 60_000 } })
  const silent = nodeProgram('process.stdin.pipe(process.stdout)')
  const first = await processes.supervise(silent).start()
  const second = processes.supervise({ ...silent, id: 'second', owner: 'other' })
  const started = second.start()
  first.read(() => {})
  expect(second.state.state).toBe('starting')
  await first.write(Buffer.from('up'))
  await started
  expect(second.state.state).toBe('running')
})

test('figures tell of the whole tree', async () => {
  await using processes = await openTestProcesses()
  const program = processes.supervise(nodeProgram(echoScript({ grandchildren: 1 })))
  expect(await program.figures()).toBeUndefined()
  const child = await program.start()
  const lines = readLines(child)
  await lines.next()
  await lines.next()
  const MiB = 1024 * 1024
  await until(async () => {
    const figures = await program.figures()
    return figures !== undefined && figures.memoryBytes > 60 * MiB && figures.cpuPercent >= 0
  })
  expect(await program.figures()).toMatchObject({ pid: child.pid, restarts: 0 })
})

/** What the work is rejected with. */
function failureOf(work: Promise<unknown> | undefined): Promise<unknown> | undefined {
  return work?.then(
    () => undefined,
    (error: unknown) => error,
  )
}
