import { connect } from 'node:net'
import { once } from 'node:events'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AppError } from '../lib/errors.ts'
import { createGuardedLookup, parseOutboundUrl, type ResolveAll } from './address-guard.ts'
import { isBlockedAddress } from './blocked-addresses.ts'

const words = (text: string) => text.trim().split(/\s+/)

const web = { schemes: ['https', 'http'], anyPort: true } as const

describe('S57 addresses that are not public', () => {
  test.each(
    words(`
      0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255
      192.0.0.1 192.0.2.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1
      255.255.255.255 168.63.129.16 :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:a9fe:a9fe
      0:0:0:0:0:ffff:7f00:1 64:ff9b::10.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 2001::1 2002:7f00:1::
      fc00::1 fd00:ec2::254 fe80::1 fe80::1%lo fec0::1 ff02::1 2001:db8::1 localhost 1.2.3
    `),
  )('include %s', (address) => {
    expect(isBlockedAddress(address)).toBe(true)
  })

  test.each([
    '1.1.1.1',
    '172.32.0.1',
    '100.128.0.1',
    '2606:4700::1111',
    '::ffff:8.8.8.8',
    '64:ff9b::808:808',
  ])('do not include %s', (address) => {
    expect(isBlockedAddress(address)).toBe(false)
  })

  test('include an IPv4 address mapped to IPv6 exactly when they include the address itself', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(isBlockedAddress(`::ffff:${address}`)).toBe(isBlockedAddress(address))
        expect(isBlockedAddress(`64:ff9b::${address}`)).toBe(isBlockedAddress(address))
      }),
    )
  })
})

describe('S57 URLs to be called', () => {
  test.each(
    words(`
      http://127.1/ http://0x7f.1/ http://2130706433/ http://017700000001/ http://0/ http://127.0.0.1./
      http://①②⑦.⓪.⓪.①/ http://[::1]/ http://[::]/ http://[::ffff:169.254.169.254]/
      http://[64:ff9b::127.0.0.1]/ http://localhost/ http://LOCALHOST./ http://a.localhost/
      https://169.254.169.254/latest http://10.0.0.1:11434/v1
      https://example.com:22/ http://example.com:25/ http://example.com:6379/
    `),
  )('may not be %s', (text) => {
    expect(() => parseOutboundUrl(text, web)).toThrow(AppError)
    expect(() => parseOutboundUrl(text, web)).toThrow('may not be reached')
  })

  test.each([
    '',
    'example.com',
    'gopher://a/',
    'file:///etc/passwd',
    'javascript:1',
    'http://',
    'http://u:p@a/',
    'http://u@a/',
    `http://a/${'b'.repeat(3_000)}`,
  ])('are not %s', (text) => {
    expect(() => parseOutboundUrl(text, web)).toThrow(/must/)
  })

  test('have only the default port unless another one is allowed', () => {
    expect(() => parseOutboundUrl('https://a.example:8443/', { schemes: ['https'] })).toThrow(
      AppError,
    )
    expect(parseOutboundUrl('https://a.example:8443/', web).port).toBe('8443')
  })

  test('lose the root dot of the host', () => {
    expect(parseOutboundUrl('https://a.example./v1?x', web).href).toBe('https://a.example/v1?x')
  })

  test('may be private where an administrator says so, but never a metadata service', () => {
    const rules = { ...web, allowPrivate: true }
    for (const text of [
      'http://localhost:11434/v1',
      'http://192.168.1.5:6379/',
      'http://[::1]:8000/',
    ]) {
      expect(parseOutboundUrl(text, rules).href).toBe(text)
    }
    for (const text of [
      'http://169.254.169.254/',
      'http://[::ffff:a9fe:a9fe]/',
      'http://[fd00:ec2::254]/',
    ]) {
      expect(() => parseOutboundUrl(text, rules)).toThrow('may not be reached')
    }
  })
})

describe('S57 names, when they are resolved', () => {
  const resolver =
    (...addresses: readonly string[]): ResolveAll =>
    (_hostname, _options, callback) =>
      callback(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      )

  function look(
    resolve: ResolveAll,
    allow?: { host: string; port: number },
    hostname = 'a.example',
  ) {
    const { promise, resolve: settle, reject } = Promise.withResolvers<unknown>()
    createGuardedLookup({ allow }, resolve)(hostname, { all: true }, (error, addresses) => {
      if (error) reject(error)
      else settle(addresses)
    })
    return promise
  }

  test.each(['127.0.0.1', '::1', '::ffff:10.0.0.1', '169.254.169.254', '64:ff9b::7f00:1'])(
    'may not lead to %s, and the error does not tell',
    async (address) => {
      const error = await look(resolver(address)).catch((cause: unknown) => cause)
      expect(error).toMatchObject({ code: 'destination_not_allowed' })
      expect(JSON.stringify(error) + String(error)).not.toContain(address)
    },
  )

  test('lead to their public addresses only', async () => {
    expect(await look(resolver('10.0.0.1', '1.1.1.1', '::1'))).toEqual([
      { address: '1.1.1.1', family: 4 },
    ])
  })

  test('may be private if they are the host that was allowed, but never a metadata service', async () => {
    const allow = { host: 'ollama.lan', port: 11_434 }
    expect(await look(resolver('192.168.1.5'), allow, 'Ollama.LAN')).toHaveLength(1)
    await expect(look(resolver('192.168.1.5'), allow, 'other.lan')).rejects.toThrow(AppError)
    await expect(look(resolver('169.254.169.254'), allow, 'ollama.lan')).rejects.toThrow(AppError)
  })

  test('that change their mind are judged at each connection', async () => {
    const answers = ['1.1.1.1', '127.0.0.1']
    const rebinding: ResolveAll = (hostname, options, callback) =>
      resolver(answers.shift() ?? '')(hostname, options, callback)
    await expect(look(rebinding)).resolves.toHaveLength(1)
    await expect(look(rebinding)).rejects.toMatchObject({ code: 'destination_not_allowed' })
  })

  test('fail as they do without the guard if they do not exist', async () => {
    const missing: ResolveAll = (_hostname, _options, callback) =>
      callback(Object.assign(new Error('no such host'), { code: 'ENOTFOUND' }), [])
    await expect(look(missing)).rejects.toMatchObject({ code: 'ENOTFOUND' })
  })

  test('are refused before a socket of node:net connects', async () => {
    const socket = connect({
      host: 'a.example',
      port: 1,
      lookup: createGuardedLookup({}, resolver('127.0.0.1')),
    })
    const [error] = (await once(socket, 'error')) as [Error]
    expect(error).toBeInstanceOf(AppError)
  })
})
