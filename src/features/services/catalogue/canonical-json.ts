import { createHash } from 'node:crypto'

/** Deeper nesting is taken as it is written: whoever nests so deep means to break what walks it. */
const depthMax = 200

const tokenPattern = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs

/**
 * `json`, valid JSON text, in the one form that all ways to write it share: members sorted by name, no white space, one
 * way to escape. Numbers keep their digits and repeated members stay, because a reader may tell them apart.
 */
export function canonicalJson(json: string): string {
  const tokens = json.match(tokenPattern) ?? []
  return readValue({ tokens, at: 0 }, 0)
}

/** SHA-256 of the canonical form, lower-case hex. */
export function hashJson(json: string): string {
  return createHash('sha256').update(canonicalJson(json)).digest('hex')
}

interface Reader {
  readonly tokens: readonly string[]
  at: number
}

function readValue(reader: Reader, depth: number): string {
  const token = reader.tokens[reader.at] ?? ''
  if (depth > depthMax) return readVerbatim(reader)
  if (token === '{') return readMembers(reader, depth)
  if (token === '[') return readElements(reader, depth)
  reader.at += 1
  return canonicalScalar(token)
}

function readMembers(reader: Reader, depth: number): string {
  const members: { name: string; text: string }[] = []
  reader.at += 1
  while (!isAtEnd(reader, '}')) {
    const name = canonicalScalar(reader.tokens[reader.at] ?? '')
    // The name and its colon.
    reader.at += 2
    members.push({ name, text: `${name}:${readValue(reader, depth + 1)}` })
    if (reader.tokens[reader.at] === ',') reader.at += 1
  }
  reader.at += 1
  // Sorting is stable, so repetitions of a name keep their order.
  members.sort((one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0))
  return `{${members.map(({ text }) => text).join(',')}}`
}

function readElements(reader: Reader, depth: number): string {
  const elements: string[] = []
  reader.at += 1
  while (!isAtEnd(reader, ']')) {
    elements.push(readValue(reader, depth + 1))
    if (reader.tokens[reader.at] === ',') reader.at += 1
  }
  reader.at += 1
  return `[${elements.join(',')}]`
}

/** A whole value, token by token. */
function readVerbatim(reader: Reader): string {
  const start = reader.at
  let open = 0
  do {
    const token = reader.tokens[reader.at]
    if (token === '{' || token === '[') open += 1
    else if (token === '}' || token === ']') open -= 1
    reader.at += 1
  } while (open > 0 && reader.at < reader.tokens.length)
  return reader.tokens.slice(start, reader.at).join('')
}

function isAtEnd({ tokens, at }: Reader, close: string): boolean {
  return at >= tokens.length || tokens[at] === close
}

function canonicalScalar(token: string): string {
  return token.startsWith('"') && token.includes('\\') ? JSON.stringify(JSON.parse(token)) : token
}
