import { scanMembers } from '../../../net/json-scan.ts'

/** The bytes of a member of the JSON object in `bytes`, the last where it is repeated; undefined where there is none. */
export function memberBytes(bytes: Buffer, name: string): Buffer | undefined {
  const member = scanMembers(bytes)?.findLast(({ key }) => key === name)
  return member === undefined ? undefined : bytes.subarray(member.start, member.end)
}

/** The bytes of a member of a member. */
export function nestedBytes(bytes: Buffer, outer: string, inner: string): Buffer | undefined {
  const found = memberBytes(bytes, outer)
  return found === undefined ? undefined : memberBytes(found, inner)
}
