import fc from 'fast-check'
import { expect, test } from 'vitest'
import { clientNetwork, ipv6Groups, unmapAddress } from './ip-address.ts'

test('reads every IPv6 address as the platform does', () => {
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      const canonical = (groups: readonly number[] | undefined) =>
        new URL(`http://[${groups?.map((group) => group.toString(16)).join(':')}]`).hostname
      expect(canonical(ipv6Groups(address))).toBe(new URL(`http://[${address}]`).hostname)
    }),
  )
})

test('knows what is not one', () => {
  expect(ipv6Groups('127.0.0.1')).toBeUndefined()
  expect(ipv6Groups('1::2::3')).toBeUndefined()
  expect(ipv6Groups('fe80::1%eth0')).toEqual([0xfe80, 0, 0, 0, 0, 0, 0, 1])
})

test('S79 counts a /64 as one client, and every IPv4 address, mapped or not', () => {
  expect(clientNetwork('2001:db8:1:2:3:4:5:6')).toBe(clientNetwork('2001:db8:1:2::1'))
  expect(clientNetwork('2001:db8:1:3::1')).not.toBe(clientNetwork('2001:db8:1:2::1'))
  expect(clientNetwork('::ffff:192.0.2.1')).toBe('192.0.2.1')
  expect(unmapAddress('::ffff:c000:201')).toBe('::ffff:c000:201')
})
