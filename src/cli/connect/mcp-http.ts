import { Agent, fetch, type Response } from 'undici'

/** The endpoint of a server, as a client sees it. Disposing of it drops what is open. */
export interface McpHttp extends AsyncDisposable {
  /** Sends one message. Resolves once the answer begins. Rejects where there is none, and when `signal` is aborted. */
  post(body: string, headers: Headers, signal: AbortSignal): Promise<HttpAnswer>
  /** Opens the stream of what belongs to no request, or one that broke. */
  get(headers: Headers, signal: AbortSignal): Promise<HttpAnswer>
  /** Ends a session, waiting a short while for the answer. */
  delete(headers: Headers): Promise<void>
}

/** An answer with a body that has not been read. */
export interface HttpAnswer {
  readonly status: number
  /** The media type, lower case, without parameters. */
  readonly type: string
  readonly sessionId: string | undefined
  text(): Promise<string>
  chunks(): AsyncIterable<Uint8Array>
}

/** Header names and values. */
export type Headers = Readonly<Record<string, string>>

const farewellMs = 2_000
const connectTimeoutMs = 10_000

/** Creates the client of the endpoint at `url`. Redirects are not followed: they would take the key along. */
export function createMcpHttp(url: string, key: string | undefined): McpHttp {
  // A call may take as long as it takes; whoever made it gives it up.
  const dispatcher = new Agent({
    connect: { timeout: connectTimeoutMs },
    headersTimeout: 0,
    bodyTimeout: 0,
  })
  const authorization = key === undefined ? {} : { authorization: `Bearer ${key}` }
  const ask = async (
    method: string,
    headers: Headers,
    rest: { body?: string; signal: AbortSignal },
  ) =>
    toAnswer(
      await fetch(url, {
        method,
        headers: { ...authorization, ...headers },
        redirect: 'error',
        dispatcher,
        ...rest,
      }),
    )
  return {
    post(body, headers, signal) {
      const accept = 'application/json, text/event-stream'
      const own = { 'content-type': 'application/json', accept }
      return ask('POST', { ...own, ...headers }, { body, signal })
    },
    get: (headers, signal) => ask('GET', { accept: 'text/event-stream', ...headers }, { signal }),
    async delete(headers) {
      const answer = await ask('DELETE', headers, { signal: AbortSignal.timeout(farewellMs) })
      await answer.text()
    },
    [Symbol.asyncDispose]: () => dispatcher.destroy(),
  }
}

function toAnswer(response: Response): HttpAnswer {
  const type = response.headers.get('content-type') ?? ''
  return {
    status: response.status,
    type: (type.split(';', 1)[0] ?? '').trim().toLowerCase(),
    sessionId: response.headers.get('mcp-session-id') ?? undefined,
    text: () => response.text(),
    chunks: () => response.body ?? noChunks(),
  }
}

async function* noChunks(): AsyncGenerator<Uint8Array> {}
