/** How a client answers what a server asks in the middle of a call. */
export interface ClientAnswers {
  /** Fields that the user fills in. Without them there is no elicitation. */
  readonly elicitation?: Record<string, string | number | boolean | string[]>
  /** What the model says. Without it there is no sampling. */
  readonly sampling?: string
  /** URIs of the roots. Without them there are none to ask for. */
  readonly roots?: readonly string[]
}

/** Turns answers into the capabilities and the handlers that both SDKs take. */
export function mergeAnswers({ elicitation, sampling, roots = [] }: ClientAnswers = {}) {
  return {
    capabilities: {
      ...(elicitation && { elicitation: {} }),
      ...(sampling !== undefined && { sampling: {} }),
      ...(roots.length > 0 && { roots: { listChanged: true } }),
    } as Capabilities,
    elicit: () => ({ action: 'accept' as const, content: elicitation ?? {} }),
    sample: () => ({
      model: 'test-model',
      role: 'assistant' as const,
      content: { type: 'text' as const, text: sampling ?? '' },
    }),
    roots: () => ({ roots: roots.map((uri) => ({ uri, name: uri.split('/').at(-1) ?? uri })) }),
  }
}

interface Capabilities {
  elicitation?: Record<string, never>
  sampling?: Record<string, never>
  roots?: { listChanged: boolean }
}
