/** What the headers of a multipart part say of its name: a name, none, or something that two readers could take for different names. */
export type PartName = { readonly name: string | undefined } | 'ambiguous'

/**
 * Reads the `name` of a form-data part from its header block, without the empty line. Source: RFC 7578 section 4.2.
 * Stricter than the RFC where readers are known to differ: folded lines, bare line ends, a second disposition, a second or an extended
 * name (`name*`), and quotes behind a backslash are ambiguous.
 */
export function readPartName(headers: string): PartName {
  const lines = headers.split('\r\n')
  if (lines.some((line) => /^[ \t]|[\r\n]/.test(line))) return 'ambiguous'
  const dispositions = lines.filter((line) => /^content-disposition[ \t]*:/i.test(line))
  if (dispositions.length > 1) return 'ambiguous'
  const [disposition] = dispositions
  return disposition === undefined ? { name: undefined } : readDisposition(disposition)
}

const dispositionType = /^[^:]*:[ \t]*[\w-]+[ \t]*/y
const parameter = /;[ \t]*([\w!#$%&'*+.^`|~-]+)=(?:"((?:[^"]*[^"\\])?)"|([^\s";]+))[ \t]*/y

function readDisposition(line: string): PartName {
  let name: string | undefined
  dispositionType.lastIndex = 0
  if (!dispositionType.test(line)) return 'ambiguous'
  let at = dispositionType.lastIndex
  while (at < line.length) {
    parameter.lastIndex = at
    const match = parameter.exec(line)
    if (match === null) return 'ambiguous'
    at = parameter.lastIndex
    const [, key = '', quoted, token] = match
    const role = key.toLowerCase()
    if (role === 'name*' || (role === 'name' && name !== undefined)) return 'ambiguous'
    if (role === 'name') name = quoted ?? token
  }
  return { name }
}
