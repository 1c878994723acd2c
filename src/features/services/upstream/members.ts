import { applyEdits, scanObject, type ByteRange, type Edit } from '../../../net/json-scan.ts'
import { editJson } from '../wire/json-edit.ts'

/** The way to one nested member of a JSON object. */
export interface MemberPath {
  readonly names: readonly [string, ...string[]]
  /** One set a level, with its name alone in it. */
  readonly keys: readonly ReadonlySet<string>[]
}

/** Makes the way to a member, to be kept: it is made once and walked often. */
export function memberPath(...names: [string, ...string[]]): MemberPath {
  return { names, keys: names.map((name) => new Set([name])) }
}

/** The JSON text of a nested member, as it was written; undefined where it is not there. Of repeated members the last counts. */
export function memberText(bytes: Buffer, path: MemberPath): string | undefined {
  const found = find(bytes, path)
  return found === undefined ? undefined : bytes.toString('utf8', found.start, found.end)
}

/** A member that is there, and what it is to become, as JSON text. */
export interface Replacement {
  readonly path: MemberPath
  readonly json: string
}

/** `bytes`, one JSON object, with members replaced, as `editJson` does it and faster where none is repeated or missing. */
export function replaceMembers(bytes: Buffer, replacements: readonly Replacement[]): Buffer {
  const edits: Edit[] = []
  for (const { path, json } of replacements) {
    const found = find(bytes, path)
    if (found?.isUnique !== true) return editSlowly(bytes, replacements)
    edits.push({ start: found.start, end: found.end, value: Buffer.from(json) })
  }
  return Buffer.concat(applyEdits(bytes, edits))
}

function editSlowly(bytes: Buffer, replacements: readonly Replacement[]): Buffer {
  return editJson(
    bytes,
    replacements.map(({ path, json }) => ({ path: path.names, json })),
  )
}

interface Found extends ByteRange {
  /** No member on the way is repeated. */
  readonly isUnique: boolean
}

function find(bytes: Buffer, { keys }: MemberPath): Found | undefined {
  let start = 0
  let end = bytes.length
  let isUnique = true
  for (const key of keys) {
    const members = scanObject(start === 0 ? bytes : bytes.subarray(start, end), key)
    const last = members?.at(-1)
    if (last === undefined) return undefined
    isUnique &&= members?.length === 1
    end = start + last.end
    start += last.start
  }
  return { start, end, isUnique }
}

/** Says whether JSON text is a string or a number, as ids and progress tokens are. */
export function isIdText(text: string): boolean {
  return /^["\-0-9]/.test(text)
}

/** The string that JSON text stands for; undefined where it is none. */
export function stringOf(text: string | undefined): string | undefined {
  if (text?.startsWith('"') !== true) return undefined
  return text.includes('\\') ? (JSON.parse(text) as string) : text.slice(1, -1)
}
