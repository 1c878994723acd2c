import { describe, expect, test } from 'vitest'
import { createHostCheck } from './host-check.ts'

const rules = { listenHost: '127.0.0.1', ownUrls: [], allowedHosts: [] }

describe('S29 a listener', () => {
  test('on loopback is called by loopback names and addresses only', () => {
    const isOurs = createHostCheck(rules)
    const hosts = ['localhost:1', '127.0.0.1', '[::1]:8437', '192.168.1.5:8437', '[fe80::1]', 'x']
    expect(hosts.map(isOurs)).toEqual([true, true, true, false, false, false])
  })

  test.each(['0.0.0.0', '::', '192.168.1.5'])(
    'on %s is called by any address, but not by any name',
    (listenHost) => {
      const isOurs = createHostCheck({ ...rules, listenHost })
      const hosts = [
        '192.168.1.5:8437',
        '[2001:db8::1]',
        'localhost',
        'rebind.example',
        '192.168.1.5.nip.io',
      ]
      expect(hosts.map(isOurs)).toEqual([true, true, true, false, false])
    },
  )

  test('is called by the hosts of its URLs and by allowed ones', () => {
    const isOurs = createHostCheck({
      ...rules,
      ownUrls: ['https://Gateway.example/base'],
      allowedHosts: ['*.Apps.example', 'lan.example:9000'],
    })
    const good = [
      'gateway.example',
      'GATEWAY.example:443',
      'gateway.example.',
      'a.apps.example',
      'a.b.apps.example',
      'lan.example:9000',
    ]
    const bad = [
      'apps.example',
      'xapps.example',
      'lan.example',
      'gateway.example.evil',
      'gateway.example@evil',
      'gateway.example:x',
      '',
    ]
    expect([...good, ...bad].map(isOurs)).toEqual([
      ...good.map(() => true),
      ...bad.map(() => false),
    ])
  })
})
