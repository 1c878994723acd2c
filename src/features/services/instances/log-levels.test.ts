import { expect, test } from 'vitest'
import {
  createFakeConnection,
  type FakeConnection,
} from '../../../../test/support/fake-connection.ts'
import { createLogLevels, isLogLevel, isShown } from './log-levels.ts'

const canLog = { capabilities: { logging: {} } }
const levelsSet = ({ sent }: FakeConnection) => sent.map(({ params }) => params['level'])

test('a server logs at the lowest level that anybody asks for', () => {
  const connection = createFakeConnection(canLog)
  const levels = createLogLevels(connection)
  levels.want('error')
  levels.want('debug')
  levels.want('warning')
  expect(levelsSet(connection)).toEqual(['error', 'debug'])
  expect(connection.methods).toEqual(['logging/setLevel', 'logging/setLevel'])
})

test('when who wanted most leaves, the next lowest level counts', () => {
  const connection = createFakeConnection(canLog)
  const levels = createLogLevels(connection)
  levels.want('error')
  const leave = levels.want('debug')
  leave()
  leave()
  expect(levelsSet(connection)).toEqual(['error', 'debug', 'error'])
})

test('with nobody left the level stays, and whoever wants the same again costs no message', () => {
  const connection = createFakeConnection(canLog)
  const levels = createLogLevels(connection)
  levels.want('info')()
  levels.want('info')
  expect(levelsSet(connection)).toEqual(['info'])
})

test('a server that does not log, and a modern one, is never told a level', () => {
  const silent = createFakeConnection()
  const modern = createFakeConnection({ era: 'modern', ...canLog })
  createLogLevels(silent).want('debug')
  createLogLevels(modern).want('debug')
  expect([...silent.sent, ...modern.sent]).toEqual([])
})

test('a message is shown from the wanted level on, and where its level is not known', () => {
  expect(isShown('error', 'warning')).toBe(true)
  expect(isShown('warning', 'warning')).toBe(true)
  expect(isShown('notice', 'warning')).toBe(false)
  expect(isShown('odd', 'emergency')).toBe(true)
  expect(isLogLevel('alert')).toBe(true)
  expect(isLogLevel('odd')).toBe(false)
  expect(isLogLevel(undefined)).toBe(false)
})
