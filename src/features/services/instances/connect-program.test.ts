import { expect, test } from 'vitest'
import { createFakeConnection } from '../../../../test/support/fake-connection.ts'
import { plainService } from '../../../../test/support/plain-service.ts'
import { AppError } from '../../../lib/errors.ts'
import type { Child, ChildExit, Program, ProgramSpec } from '../process-host.ts'
import type { Era } from '../wire/protocol-versions.ts'
import { createTestClock } from '../../../../test/support/clock.ts'
import { createManners } from './manners.ts'
import { connectProgram, programSpec } from './connect-program.ts'
import type { Connectors, OpenDependencies } from './open-connection.ts'

const died: ChildExit = {
  code: 3,
  signal: null,
  error: null,
  stderr: ['1', '2', '3', '4', '5', '6'],
}

function createProgram(exited: Promise<ChildExit>) {
  const child: Child = {
    pid: 1,
    write: () => undefined,
    read: () => undefined,
    onStderr: () => () => undefined,
    exited,
  }
  const events: string[] = []
  const program: Program = {
    state: { state: 'stopped' },
    restarts: 0,
    start: async ({ force } = {}) => {
      events.push(force === true ? 'start by force' : 'start')
      return child
    },
    stop: async () => void events.push('stop'),
    onChange: () => () => undefined,
    figures: async () => undefined,
    [Symbol.asyncDispose]: async () => void events.push('dispose'),
  }
  return { program, events }
}

/** Connects a program that ends as `exited` says; by default it never does. */
function connecting({
  exited = new Promise<ChildExit>(() => undefined),
  openStdio = (async () => createFakeConnection()) as Connectors['openStdio'],
  era = 'legacy' as Era | 'auto',
  isForced = false,
} = {}) {
  const service = plainService({ name: 'files' })
  const { program, events } = createProgram(exited)
  const scout = createProgram(exited)
  const manners = createManners(createTestClock())
  const opened: Era[] = []
  const connectors: Connectors = {
    openStdio: (child, options) => {
      opened.push(options.era)
      return openStdio(child, options)
    },
    probeStdio: async () => 'modern',
    openRemote: () => Promise.reject(new Error('not remote')),
    openBuiltin: () => Promise.reject(new Error('not built in')),
  }
  const deps: OpenDependencies = {
    host: { canSandbox: false, supervise: () => scout.program },
    connectors,
    clock: createTestClock(),
    userValues: () => new Map(),
    manners,
    lineBytesMax: () => 1000,
    onNoise: () => undefined,
  }
  const started = { service, program, env: {}, isForced }
  const connect = () =>
    connectProgram(deps, started, {
      era,
      client: { capabilities: {}, clientInfo: {} },
      signal: new AbortController().signal,
      listener: { onNotification: () => undefined, onRequest: () => undefined },
      onNoise: () => undefined,
    })
  return { connect, events, scouted: scout.events, opened, manners }
}

const gone = new AppError('upstream_failed', 'The connection was closed.')

test('a program that dies before the handshake tells its last words', async () => {
  const { connect, events } = connecting({
    exited: Promise.resolve(died),
    openStdio: () => Promise.reject(gone),
  })
  await expect(connect()).rejects.toMatchObject({
    code: 'service_failed',
    message: 'The program of files ended before it answered (exit code 3).',
    details: { hint: 'Its last words on stderr:\n2\n3\n4\n5\n6' },
    cause: gone,
  })
  expect(events).toEqual(['start'])
})

test('a program that was killed without a word tells by which signal', async () => {
  const { connect } = connecting({
    exited: Promise.resolve({ ...died, code: null, signal: 'SIGKILL', stderr: [] }),
    openStdio: () => Promise.reject(gone),
  })
  await expect(connect()).rejects.toThrow('ended before it answered (SIGKILL).')
})

test('a program that lives and does not answer the handshake is stopped', async () => {
  const { connect, events } = connecting({ openStdio: () => Promise.reject(gone) })
  await expect(connect()).rejects.toBe(gone)
  expect(events).toEqual(['start', 'stop'])
})

test('the era is found out with a child of its own, once', async () => {
  const { connect, opened, scouted, manners } = connecting({ era: 'auto' })
  await connect()
  await connect()
  expect(opened).toEqual(['modern', 'modern'])
  expect(scouted).toEqual(['start', 'dispose'])
  expect(manners.era('r1')).toBe('modern')
})

test('an era that is set is not asked for, and force forgets earlier crashes', async () => {
  const { connect, opened, scouted, events } = connecting({ isForced: true })
  await connect()
  expect(opened).toEqual(['legacy'])
  expect(scouted).toEqual([])
  expect(events).toEqual(['start by force'])
})

test('a program runs as its service says, and is not restarted by itself', () => {
  const service = plainService({
    upstream: { kind: 'process', command: 'node', args: ['a b'], cwd: '/srv' },
  })
  const spec = programSpec(service, { id: 'p', env: { A: '1' }, lineBytesMax: 7 })
  expect(spec).toMatchObject({
    id: 'p',
    owner: service.id,
    command: 'node',
    args: ['a b'],
    cwd: '/srv',
    env: { A: '1' },
    limits: { lineBytesMax: 7 },
    restart: { auto: false },
  } satisfies { [Name in keyof ProgramSpec]?: unknown })
})

test('a remote server has no program', () => {
  const remote = plainService({ upstream: { kind: 'remote', url: 'https://example.com/mcp' } })
  expect(() => programSpec(remote, { id: 'p', env: {}, lineBytesMax: 7 })).toThrow(TypeError)
})
