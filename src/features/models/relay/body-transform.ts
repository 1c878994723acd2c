/** Changes the bytes of a response on their way to the client. Keeps what it cannot pass on yet. */
export interface BodyTransform {
  /** The bytes that may go out; empty when there are none yet. */
  push(chunk: Buffer): Buffer
  /** What is left when the upstream has ended its answer. */
  end(): Buffer
}
