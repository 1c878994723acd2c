import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CredentialMask } from './credential-mask.ts'

test('S70 masks the credential wherever the answer is cut, and keeps its length', () => {
  const secret = 'sk-canary-0123456789'
  const text = `{"error":"Incorrect key ${secret}, really ${secret}"}`
  fc.assert(
    fc.property(fc.array(fc.nat(text.length), { maxLength: 8 }), (cuts) => {
      const mask = new CredentialMask(secret)
      const out: Buffer[] = []
      let from = 0
      for (const cut of [...cuts.toSorted((one, other) => one - other), text.length]) {
        out.push(mask.push(Buffer.from(text.slice(from, cut))))
        from = cut
      }
      out.push(mask.end())
      expect(Buffer.concat(out).toString()).toBe(text.replaceAll(secret, '*'.repeat(secret.length)))
    }),
  )
})
