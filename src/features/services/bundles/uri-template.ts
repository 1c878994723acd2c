/** Says whether a URI could come from a template. */
export type UriMatcher = (uri: string) => boolean

/** Longer URIs match nothing: the work grows with the length times that of the template. */
const uriCharsMax = 8192
const templateCharsMax = 2048
/** Each may be at work at every character of a URI. */
const expressionsMax = 32

/**
 * Compiles a URI template of levels 1 and 2 (RFC 6570, 3.2.2–3.2.4): `{name}` stands for anything within one segment,
 * `{+name}` and `{#name}` for anything at all. Expressions of the higher levels stand for what begins with their
 * operator, or nothing. Matching takes time proportional to the URI, whatever the template: all ways to match are
 * followed at once, and none is gone back to. undefined where the text is no template, or one of more than 32 expressions.
 */
export function compileUriTemplate(template: string): UriMatcher | undefined {
  if (template.length > templateCharsMax) return undefined
  const steps = readSteps(template)
  if (steps === undefined) return undefined
  const lead = template.slice(0, template.indexOf('{') < 0 ? undefined : template.indexOf('{'))
  return (uri) => uri.length <= uriCharsMax && uri.startsWith(lead) && matches(steps, uri)
}

/**
 * One step of the matching machine. `run` takes any number of characters out of `allows`; `literal` exactly one, `skip`
 * allows to go on behind the next `over` steps as well.
 */
type Step =
  | { readonly kind: 'literal'; readonly character: string }
  | { readonly kind: 'run'; readonly excluded: string }
  | { readonly kind: 'skip'; readonly over: number }

const segmentEnds = '/?#'

function readSteps(template: string): readonly Step[] | undefined {
  const steps: Step[] = []
  let at = 0
  let expressions = 0
  while (at < template.length) {
    const character = template.charAt(at)
    if (character === '}') return undefined
    if (character !== '{') {
      steps.push({ kind: 'literal', character })
      at += 1
      continue
    }
    const end = template.indexOf('}', at)
    const expression = end < 0 ? null : readExpression(template.slice(at + 1, end))
    expressions += 1
    if (expression === null || expressions > expressionsMax) return undefined
    steps.push(...expression)
    at = end + 1
  }
  return steps
}

function readExpression(text: string): readonly Step[] | null {
  const [, operator = '', list] = /^([+#./;?&]?)([\w.%,*:]+)$/.exec(text) ?? []
  if (list === undefined) return null
  if (operator === '') return [{ kind: 'run', excluded: list.includes('*') ? '?#' : segmentEnds }]
  if (operator === '+') return [{ kind: 'run', excluded: '' }]
  const rest: Step = { kind: 'run', excluded: operator === '#' ? '' : '#' }
  return [{ kind: 'skip', over: 2 }, { kind: 'literal', character: operator }, rest]
}

function matches(steps: readonly Step[], uri: string): boolean {
  let places = new Set<number>()
  enter(steps, 0, places)
  for (const character of uri.split('')) {
    const next = new Set<number>()
    for (const place of places) advance(steps, { place, character }, next)
    if (next.size === 0) return false
    places = next
  }
  return places.has(steps.length)
}

function advance(
  steps: readonly Step[],
  { place, character }: { place: number; character: string },
  into: Set<number>,
): void {
  const step = steps[place]
  if (step?.kind === 'literal' && step.character === character) enter(steps, place + 1, into)
  if (step?.kind === 'run' && !step.excluded.includes(character)) enter(steps, place, into)
}

/** Adds a place and those that are reached from it without a character. */
function enter(steps: readonly Step[], place: number, into: Set<number>): void {
  if (into.has(place)) return
  into.add(place)
  const step = steps[place]
  if (step?.kind === 'run') enter(steps, place + 1, into)
  if (step?.kind === 'skip') {
    enter(steps, place + 1, into)
    enter(steps, place + 1 + step.over, into)
  }
}
