import { applyEdits, scanMembers, type Edit, type ScannedMember } from '../../../net/json-scan.ts'

/** One change to a JSON object: the member at `path` gets the value `json` (JSON text), or goes away when that is undefined. */
export interface MemberEdit {
  /** Names of nested members, outermost first; never empty. Objects that are missing on the way are made. */
  readonly path: readonly [string, ...string[]]
  readonly json: string | undefined
}

/**
 * `bytes`, one JSON object, with the edits made and every other byte as it was: numbers keep their digits, members their
 * order and repetitions. Where a member is repeated, the last counts, as for `JSON.parse`, and the others go.
 * A member on the way that is no object is replaced by one. Returns `bytes` itself where nothing changes.
 */
export function editJson(bytes: Buffer, edits: readonly MemberEdit[]): Buffer {
  return edits.reduce(editMember, bytes)
}

function editMember(bytes: Buffer, { path, json }: MemberEdit): Buffer {
  const [name, ...rest] = path
  const members = scanMembers(bytes)
  if (members === undefined) throw new TypeError('Only a JSON object has members to edit.')
  const named = members.filter(({ key }) => key === name)
  const last = named.at(-1)
  const value = nestedValue(bytes, last, { rest, json })
  if (last === undefined)
    return value === undefined ? bytes : append(bytes, members, { name, value })
  if (value === undefined) return splice(bytes, removals(members, named))
  const edits = removals(members, named.slice(0, -1))
  return splice(bytes, [...edits, { start: last.start, end: last.end, value }])
}

/** What the outermost member of a path becomes; undefined when it is to go. */
function nestedValue(
  bytes: Buffer,
  member: ScannedMember | undefined,
  { rest, json }: { rest: readonly string[]; json: string | undefined },
): Buffer | undefined {
  const [next, ...deeper] = rest
  if (next === undefined) return json === undefined ? undefined : Buffer.from(json)
  const inner = member === undefined ? undefined : bytes.subarray(member.start, member.end)
  const isObject = inner?.[0] === 0x7b
  if (!isObject && json === undefined) return inner
  return editMember(isObject ? inner : Buffer.from('{}'), { path: [next, ...deeper], json })
}

function append(
  bytes: Buffer,
  members: readonly ScannedMember[],
  { name, value }: { name: string; value: Buffer },
): Buffer {
  const last = members.at(-1)
  const at = last === undefined ? bytes.indexOf(0x7b) + 1 : last.end
  const text = `${last === undefined ? '' : ','}${JSON.stringify(name)}:`
  return splice(bytes, [{ start: at, end: at, value: Buffer.concat([Buffer.from(text), value]) }])
}

/** Takes members out, each with one of the commas beside it. */
function removals(members: readonly ScannedMember[], gone: readonly ScannedMember[]): Edit[] {
  const remaining = members.filter((member) => !gone.includes(member))
  const firstKept = remaining[0]
  return gone.map((member) => {
    const at = members.indexOf(member)
    const next = members[at + 1]
    const previous = members[at - 1]
    // What stands before the first that stays goes with the comma behind it, everything else with the comma before it.
    if (firstKept !== undefined && member.keyStart < firstKept.keyStart) {
      return { start: member.keyStart, end: next?.keyStart ?? member.end, value: empty }
    }
    return { start: previous?.end ?? member.keyStart, end: member.end, value: empty }
  })
}

function splice(bytes: Buffer, edits: readonly Edit[]): Buffer {
  return edits.length === 0 ? bytes : Buffer.concat(applyEdits(bytes, edits))
}

const empty = Buffer.alloc(0)
