import { remember } from '../../../net/remember.ts'

/** What a client takes for an answer. */
export interface Acceptance {
  /** JSON, by name or by a wildcard; also where it says nothing. */
  readonly json: boolean
  /** JSON, by name. */
  readonly namesJson: boolean
  /** Event streams, by name. */
  readonly events: boolean
}

/** Reads an `Accept` header. Weights do not matter: what is listed at all can be understood. */
export const readAccept: (accept: string) => Acceptance = remember((accept): Acceptance => {
  const types = new Set(accept.split(',').map(mediaType))
  const namesJson = types.has('application/json')
  const isOpen = accept.trim() === '' || types.has('*/*') || types.has('application/*')
  return { json: namesJson || isOpen, namesJson, events: types.has('text/event-stream') }
})

/** Says whether a `Content-Type` header means JSON. */
export const isJsonType: (contentType: string) => boolean = remember(
  (contentType) => mediaType(contentType) === 'application/json',
)

function mediaType(text: string): string {
  return (text.split(';', 1)[0] ?? '').trim().toLowerCase()
}
