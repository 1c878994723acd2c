import { describe, expect, test } from 'vitest'
import { createTestClock } from '../../../../test/support/clock.ts'
import { openServiceManagement } from '../../../../test/support/service-management.ts'
import { engines } from '../../../../test/support/store.ts'
import { openCommandApprovals } from './command-approvals.ts'
import { describeRisks } from './command-risks.ts'

const command = {
  command: 'npx',
  args: ['-y', '@modelcontextprotocol/server-memory'],
  envNames: ['B', 'A'],
  cwd: null,
  sandbox: true,
}

describe.each(engines)('commands on %s', (engine) => {
  test('a command runs only after an administrator approved it word for word', async () => {
    await using services = await openServiceManagement(engine)
    const { approvals } = services
    expect(approvals.find('default', command)).toBe('unknown')
    const id = await approvals.request('default', command)
    expect(await approvals.request('default', { ...command, envNames: ['A', 'B'] })).toBe(id)
    expect(approvals.find('default', command)).toBe('pending')
    const list = await services.ask('GET', '/api/services/commands')
    expect(list.json.commands).toMatchObject([
      { id, argv: ['npx', ...command.args], envNames: ['A', 'B'], state: 'pending' },
    ])
    const approved = await services.ask('POST', `/api/services/commands/${id}/approve`)
    expect(approved.json).toMatchObject({ state: 'approved', decidedBy: 'key_default' })
    expect(approvals.find('default', command)).toBe('approved')
    const others = [
      { ...command, args: [...command.args, 'x'] },
      { ...command, args: [command.args.join(' ')] },
      { ...command, command: '/tmp/npx' },
      { ...command, envNames: ['A'] },
      { ...command, cwd: '/tmp' },
      { ...command, sandbox: false },
    ]
    expect(others.map((other) => approvals.find('default', other))).toEqual(
      others.map(() => 'unknown'),
    )
    expect(approvals.find('other', command)).toBe('unknown')
    const again = await openCommandApprovals({ store: services.store, clock: createTestClock() })
    expect(again.find('default', command)).toBe('approved')
    await services.ask('POST', `/api/services/commands/${id}/reject`)
    expect(approvals.find('default', command)).toBe('rejected')
    const audit = await services.store.db.selectFrom('audit').select('action').execute()
    expect(audit.map(({ action }) => action)).toEqual(['command.approve', 'command.reject'])
  })
})

test('only administrators see commands and decide on them', async () => {
  await using services = await openServiceManagement()
  const id = await services.approvals.request('default', command)
  services.as(['manage', 'services:run-command'])
  const attempts = await Promise.all([
    services.ask('GET', '/api/services/commands'),
    services.ask('POST', `/api/services/commands/${id}/approve`),
    services.ask('POST', `/api/services/commands/${id}/reject`),
  ])
  expect(attempts.map(({ status }) => status)).toEqual([403, 403, 403])
  services.as('admin')
  expect((await services.ask('POST', '/api/services/commands/none/approve')).status).toBe(404)
})

test('only so many commands wait in a workspace', async () => {
  await using services = await openServiceManagement()
  const ask = (number: number) =>
    services.approvals.request('default', { ...command, args: [String(number)] })
  await Promise.all(Array.from({ length: 100 }, (_, number) => ask(number)))
  await expect(ask(100)).rejects.toMatchObject({ code: 'overloaded' })
  await expect(ask(99)).resolves.toMatch(/^cmd_/)
})

test.each([
  [['sh', '-c', 'rm -rf /'], /shell/],
  [['/bin/bash', '-lc', 'x'], /shell/],
  [['node', '-e', 'x'], /text of an argument/],
  [['node', '--import=./x.js', 'y.js'], /further module/],
  [['python3', '-c', 'x'], /Python/],
  [['npx', '-c', 'x'], /gives the text/],
  [['npx', '--call=x'], /gives the text/],
  [['npx', '-p', 'evil', 'good@1.0.0'], /other than/],
  [['uvx', '--from', 'git+https://x', 'good'], /elsewhere/],
  [['docker', 'run', '-v', '/:/host', 'i'], /folders of this machine/],
  [['npx', '-y', 'package'], /no fixed version/],
  [['node', 'a\u200b.js'], /invisible/],
])('%j is risky', ([program = '', ...args], risk) => {
  expect(describeRisks(program, args).join('\n')).toMatch(risk)
})

test('a pinned package has no risk to be told', () => {
  expect(describeRisks('npx', ['-y', '@modelcontextprotocol/server-memory@2026.8.31'])).toEqual([])
})
