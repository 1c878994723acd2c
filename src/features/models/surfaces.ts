/** Whose conventions a route follows: error bodies, credentials, list shapes. */
export type ApiFamily = 'openai' | 'anthropic'

/** How the events of a streamed answer are to be read: where usage is, how an error is told. */
export type StreamDialect = 'chat' | 'responses' | 'messages'

/** One route of the models API. */
export interface Surface {
  /** Path below the base, e.g. `chat/completions`; for routes with an id in them, their first segment. */
  readonly name: string
  readonly family: ApiFamily
  /** `json`: a JSON body names the model. `multipart`: a form field does. `opaque`: none is needed. */
  readonly body: 'json' | 'multipart' | 'opaque'
  readonly dialect: StreamDialect
  /** The client may ask for usage in the stream with `stream_options.include_usage`. */
  readonly hasStreamOptions: boolean
  /** Answers with text: its length tells about how many tokens it took, and a stream of it has a closing event. */
  readonly isText: boolean
}

const jsonSurface = {
  family: 'openai',
  body: 'json',
  dialect: 'chat',
  hasStreamOptions: false,
  isText: false,
} as const
const textSurface = { ...jsonSurface, isText: true } as const
const formSurface = { ...jsonSurface, body: 'multipart' } as const
const anthropicSurface = { ...jsonSurface, family: 'anthropic', dialect: 'messages' } as const

const posted = new Map<string, Surface>(
  [
    { ...textSurface, name: 'chat/completions', hasStreamOptions: true },
    { ...textSurface, name: 'completions', hasStreamOptions: true },
    { ...textSurface, name: 'responses', dialect: 'responses' as const },
    { ...jsonSurface, name: 'embeddings' },
    { ...jsonSurface, name: 'images/generations' },
    { ...jsonSurface, name: 'audio/speech' },
    { ...jsonSurface, name: 'moderations' },
    { ...jsonSurface, name: 'rerank' },
    { ...formSurface, name: 'audio/transcriptions' },
    { ...formSurface, name: 'audio/translations' },
    { ...formSurface, name: 'images/edits' },
    { ...formSurface, name: 'images/variations' },
    { ...anthropicSurface, name: 'messages', isText: true },
    { ...anthropicSurface, name: 'messages/count_tokens' },
  ].map((surface) => [surface.name, surface]),
)

const opaqueSurfaces = new Map<string, Surface>()
for (const name of ['responses', 'files', 'batches', 'uploads', 'other']) {
  opaqueSurfaces.set(name, {
    ...jsonSurface,
    name,
    body: 'opaque',
    dialect: name === 'responses' ? 'responses' : 'chat',
  })
}
const anthropicOther: Surface = { ...anthropicSurface, name: 'messages', body: 'opaque' }
const otherSurface = opaqueSurfaces.get('other') as Surface

/** The surface of `method` on `rest`, the path below the base without a leading slash. Every path has one. */
export function surfaceOf(method: string, rest: string): Surface {
  if (method === 'POST') {
    const exact = posted.get(rest)
    if (exact !== undefined) return exact
  }
  const slash = rest.indexOf('/')
  const first = slash < 0 ? rest : rest.slice(0, slash)
  if (first === 'messages') return anthropicOther
  return opaqueSurfaces.get(first) ?? otherSurface
}

/** Top-level segments of the models API that Portico serves directly below `/api`, beside the management routes. */
export const apiSegments: ReadonlySet<string> = new Set([
  'audio',
  'batches',
  'chat',
  'completions',
  'embeddings',
  'images',
  'messages',
  'models',
  'moderations',
  'realtime',
  'rerank',
  'responses',
])
