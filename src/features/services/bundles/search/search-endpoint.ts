import type { Endpoint } from '../../relay/relay.ts'
import { SearchRelay, type SearchOptions } from './search-relay.ts'

const searching = new WeakSet<Endpoint>()

/**
 * The same endpoint with two tools in place of all of its own: `find_tools` and `call_tool`. Everything else is passed
 * through. An endpoint that is like this already is returned as it is.
 */
export function createSearchEndpoint(endpoint: Endpoint, options: SearchOptions = {}): Endpoint {
  if (searching.has(endpoint)) return endpoint
  const { id, workspaceId, name } = endpoint
  const made: Endpoint = {
    id,
    workspaceId,
    name,
    open: (profile) => new SearchRelay(endpoint.open(profile), profile, options),
  }
  searching.add(made)
  return made
}
