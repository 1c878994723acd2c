import { expect, test } from 'vitest'
import { createClientAddress } from './client-address.ts'

const behindProxies = createClientAddress(['10.0.0.0/8', '192.0.2.1', 'fd00::/8'])

test.each<[string, string, readonly string[], string]>([
  ['the peer if nobody forwards', '10.0.0.1', [], '10.0.0.1'],
  ['an untrusted peer, whatever it claims', '203.0.113.9', ['198.51.100.7'], '203.0.113.9'],
  ['the hop that a trusted proxy names', '10.0.0.1', ['198.51.100.7'], '198.51.100.7'],
  [
    'the right-most untrusted hop',
    '10.0.0.1',
    ['6.6.6.6, 198.51.100.7, 192.0.2.1'],
    '198.51.100.7',
  ],
  [
    'the same over several fields',
    '10.0.0.1',
    ['6.6.6.6', '198.51.100.7', '10.9.9.9'],
    '198.51.100.7',
  ],
  ['the left-most hop if all are trusted', '10.0.0.1', ['10.0.0.3, 10.0.0.2'], '10.0.0.3'],
  [
    'the last known hop before an unreadable one',
    '10.0.0.1',
    ['6.6.6.6, unknown, 10.0.0.2'],
    '10.0.0.2',
  ],
  ['an address without its port', '10.0.0.1', ['198.51.100.7:4711'], '198.51.100.7'],
  ['an IPv6 address without its port', 'fd00::1', ['[2001:db8::7]:4711'], '2001:db8::7'],
  ['a mapped address as IPv4', '::ffff:10.0.0.1', ['::ffff:198.51.100.7'], '198.51.100.7'],
  ['nothing for a socket that is gone', '', ['198.51.100.7'], ''],
])('S35 takes for the client %s', (_case, ...[peer, forwardedFor, client]) => {
  expect(behindProxies(peer, forwardedFor)).toBe(client)
})

test('S35 without trusted proxies the peer is the client', () => {
  expect(createClientAddress([])('::ffff:127.0.0.1', ['198.51.100.7'])).toBe('127.0.0.1')
})

test('names the entry that is not a range', () => {
  expect(() => createClientAddress(['10.0.0.0/33'])).toThrow('"10.0.0.0/33"')
  expect(() => createClientAddress(['proxy.example'])).toThrow('"proxy.example"')
})
