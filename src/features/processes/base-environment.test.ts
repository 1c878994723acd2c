import { delimiter } from 'node:path'
import { expect, test } from 'vitest'
import { pickBaseEnvironment } from './base-environment.ts'

test('a child gets a short list of names, and the PATH that its user has', () => {
  const path = ['/app/node_modules/.bin', '/usr/bin', '/x/node-gyp-bin', '/bin'].join(delimiter)
  expect(pickBaseEnvironment({ PATH: path, HOME: '/root', PORTICO_ADMIN_KEY: 'x' })).toEqual({
    PATH: ['/usr/bin', '/bin'].join(delimiter),
    HOME: '/root',
  })
})
