import { EventEmitter } from 'node:events'
import type { Server } from 'node:net'
import { describe, expect, test } from 'vitest'
import { limitConnections, type ConnectionLimits } from './connection-limits.ts'

/** A server to which peers of any address connect: the kernel would let a test use loopback only. */
function openDoor(limits: Partial<ConnectionLimits>) {
  const server = new EventEmitter()
  const refused: string[] = []
  limitConnections(
    server as Server,
    { connectionsMax: 100, connectionsPerClientMax: 2, trustedProxies: ['10.0.0.0/8'], ...limits },
    (limit) => refused.push(limit),
  )
  return {
    refused,
    connect(remoteAddress: string) {
      const socket = Object.assign(new EventEmitter(), {
        remoteAddress,
        destroyed: false,
        destroy() {
          socket.destroyed = true
          socket.emit('close')
        },
      })
      server.emit('connection', socket)
      return socket
    },
  }
}

describe('a client', () => {
  test('has so many connections and no more, until it closes one', () => {
    const door = openDoor({})
    const [first] = [door.connect('192.0.2.1'), door.connect('::ffff:192.0.2.1')]
    expect(door.connect('192.0.2.1').destroyed).toBe(true)
    expect(door.connect('192.0.2.2').destroyed).toBe(false)
    first?.destroy()
    expect(door.connect('192.0.2.1').destroyed).toBe(false)
    expect(door.refused).toEqual(['client'])
  })

  test('S79 is a /64 in IPv6', () => {
    const door = openDoor({})
    door.connect('2001:db8::1')
    door.connect('2001:db8::2')
    expect(door.connect('2001:db8::3').destroyed).toBe(true)
    expect(door.connect('2001:db8:0:1::1').destroyed).toBe(false)
  })

  test('is not counted on loopback or behind a trusted proxy', () => {
    const door = openDoor({})
    for (const address of ['127.0.0.1', '::1', '10.9.9.9']) {
      const sockets = [1, 2, 3].map(() => door.connect(address))
      expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false, false, false])
    }
  })
})

test('all clients together have so many connections and no more', () => {
  const door = openDoor({ connectionsMax: 2 })
  const [first] = [door.connect('127.0.0.1'), door.connect('192.0.2.1')]
  expect(door.connect('192.0.2.2').destroyed).toBe(true)
  expect(door.refused).toEqual(['total'])
  first?.destroy()
  expect(door.connect('192.0.2.2').destroyed).toBe(false)
})
