import { EventEmitter, once } from 'node:events'
import type { ClientProfile, Endpoint, Relay } from '../../src/features/services/relay/relay.ts'
import type {
  CallSink,
  Respond,
  RunningCall,
} from '../../src/features/services/upstream/connection.ts'
import type { AppError } from '../../src/lib/errors.ts'
import { isJsonObject, type JsonObject } from '../../src/features/services/wire/json.ts'
import { metaKeys } from '../../src/features/services/wire/meta-keys.ts'
import {
  latestLegacyVersion,
  latestModernVersion,
  type Era,
} from '../../src/features/services/wire/protocol-versions.ts'
import { makeNotification, makeRequest } from '../../src/features/services/wire/rpc-message.ts'

/** A message as it came, parsed; and its bytes. */
export interface Heard {
  readonly method?: string
  readonly id?: unknown
  readonly params?: JsonObject
  readonly result?: JsonObject
  readonly error?: { readonly code: number; readonly message: string; readonly data?: JsonObject }
  readonly text: string
}

/** One call of a client, and what it has heard of it. */
interface StartedCall {
  readonly running: RunningCall
  /** Everything but the answer. */
  readonly heard: readonly Heard[]
  /** Resolves with number `ordinal` (from 1) of what was heard. */
  hear(ordinal: number): Promise<Heard>
  readonly requests: readonly { readonly request: Heard; readonly respond: Respond }[]
  /** The answer. Rejects with what `onFailure` was told. */
  readonly answer: Promise<Heard>
}

/** A client of an endpoint, without a transport between. */
export interface RelayClient extends AsyncDisposable {
  readonly relay: Relay
  start(method: string, params?: JsonObject, id?: unknown): StartedCall
  call(method: string, params?: JsonObject): Promise<Heard>
  notify(method: string, params?: JsonObject): void
}

/** What differs between clients. */
export interface RelayClientOptions {
  readonly era?: Era
  readonly keyId?: string
  readonly sessionId?: string
  readonly capabilities?: JsonObject
  readonly allowsService?: (name: string) => boolean
}

/** Opens an endpoint as a client with its own session would. */
export function openRelayClient(endpoint: Endpoint, options: RelayClientOptions = {}): RelayClient {
  const profile = profileOf(options)
  const relay = endpoint.open(profile)
  let nextId = 1

  function start(method: string, params: JsonObject = {}, id: unknown = nextId++): StartedCall {
    const listening = createListeningSink()
    const request = makeRequest(JSON.stringify(id), method, withEnvelope(profile, params))
    const running = relay.request({ request, requestId: 'req_1' }, listening.sink)
    return { running, ...listening.call }
  }

  return {
    relay,
    start,
    call: (method, params) => start(method, params).answer,
    notify: (method, params) => relay.notify(makeNotification(method, params)),
    [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
  }
}

/** A sink that keeps what it is told. Its requests may also be heard as what they are. */
export function createListeningSink() {
  const heard: Heard[] = []
  const requests: { request: Heard; respond: Respond }[] = []
  const news = new EventEmitter()
  const answer = Promise.withResolvers<Heard>()
  // Not every test waits for the answer.
  answer.promise.catch(() => {})
  function note(message: Heard): void {
    heard.push(message)
    news.emit('heard')
  }
  const sink: CallSink = {
    onNotification: ({ bytes }) => note(read(bytes)),
    onRequest({ bytes }, respond) {
      requests.push({ request: read(bytes), respond })
      note(read(bytes))
    },
    onResponse: ({ bytes }) => answer.resolve(read(bytes)),
    onFailure: (error: AppError) => answer.reject(error),
  }
  async function hear(ordinal: number): Promise<Heard> {
    const signal = AbortSignal.timeout(5000)
    while (heard.length < ordinal) await once(news, 'heard', { signal })
    return heard[ordinal - 1] as Heard
  }
  return { sink, call: { heard, requests, hear, answer: answer.promise } }
}

function read(bytes: Buffer): Heard {
  const text = bytes.toString()
  const value: unknown = JSON.parse(text)
  if (!isJsonObject(value)) throw new Error(`not a message: ${text}`)
  return { ...value, text }
}

function profileOf(options: RelayClientOptions): ClientProfile {
  const { era = 'legacy', keyId = 'key_1', capabilities = {} } = options
  return {
    era,
    sessionId: options.sessionId,
    protocolVersion: era === 'legacy' ? latestLegacyVersion : latestModernVersion,
    capabilities,
    clientInfo: { name: 'test', version: '1' },
    caller: {
      keyId,
      workspaceId: 'workspace',
      allowsService: options.allowsService ?? (() => true),
      allowsTool: () => true,
      runsCommands: false,
      isUsable: () => true,
    },
  }
}

function withEnvelope(profile: ClientProfile, params: JsonObject): JsonObject {
  if (profile.era === 'legacy') return params
  const envelope = {
    [metaKeys.protocolVersion]: profile.protocolVersion,
    [metaKeys.clientCapabilities]: profile.capabilities,
    [metaKeys.clientInfo]: profile.clientInfo,
  }
  return { ...params, _meta: { ...(params['_meta'] as JsonObject | undefined), ...envelope } }
}
