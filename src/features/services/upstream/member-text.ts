import { scanObject } from '../../../net/json-scan.ts'

/** The way to one nested member of a JSON object: one set a level, with its name alone in it. */
export type MemberPath = readonly ReadonlySet<string>[]

/** Makes the way to a member, to be kept: it is made once and walked often. */
export function memberPath(...names: readonly string[]): MemberPath {
  return names.map((name) => new Set([name]))
}

/** The JSON text of a nested member, as it was written; undefined where it is not there. Of repeated members the last counts. */
export function memberText(bytes: Buffer, path: MemberPath): string | undefined {
  let inner = bytes
  for (const name of path) {
    const member = scanObject(inner, name)?.at(-1)
    if (member === undefined) return undefined
    inner = inner.subarray(member.start, member.end)
  }
  return inner.toString('utf8')
}

/** Says whether JSON text is a string or a number, as ids and progress tokens are. */
export function isIdText(text: string): boolean {
  return /^["\-0-9]/.test(text)
}

/** The string that JSON text stands for; undefined where it is none. */
export function stringOf(text: string | undefined): string | undefined {
  return text?.startsWith('"') === true ? (JSON.parse(text) as string) : undefined
}
