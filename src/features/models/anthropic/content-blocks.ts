import { AppError } from '../../../lib/errors.ts'
import { JsonObjectProgress } from './json-progress.ts'

/** One fragment of a tool call in a chat chunk. */
export interface CallFragment {
  readonly index: number
  readonly id: string
  readonly name: string
  readonly text: string
}

interface TextBlock {
  readonly type: 'text'
  pending: string
}

interface CallBlock {
  readonly type: 'tool_use'
  readonly id: string
  readonly name: string
  readonly arguments: JsonObjectProgress
  pending: string
}

/**
 * Puts the pieces of a chat answer in the order of an Anthropic stream, where one content block ends before the next
 * begins. OpenAI may mix the fragments of parallel tool calls, so the first block that is not finished goes out as it
 * comes, and what belongs to later ones waits. Each event is handed to `emit`.
 */
export class ContentBlocks {
  readonly #emit: (type: string, fields: object) => void
  /** The block at the front is the one that goes out. */
  readonly #queue: (TextBlock | CallBlock)[] = []
  /** The newest call at each index of the upstream. */
  readonly #calls = new Map<number, CallBlock>()
  #index = 0
  #isFrontStarted = false

  constructor(emit: (type: string, fields: object) => void) {
    this.#emit = emit
  }

  get hasCalls(): boolean {
    return this.#calls.size > 0
  }

  addText(text: string): void {
    let block = this.#queue.at(-1)
    if (block?.type !== 'text') {
      block = { type: 'text', pending: '' }
      this.#queue.push(block)
    }
    block.pending += text
    this.#advance()
  }

  /** Throws `upstream_failed` for a fragment that belongs to no call. */
  addFragment(fragment: CallFragment): void {
    const call = this.#callOf(fragment)
    call.arguments.push(fragment.text)
    call.pending += fragment.text
    this.#advance()
  }

  /**
   * Ends all blocks. Throws `upstream_failed` if the arguments of a call are not whole, unless the answer is said to be
   * cut: a client must not act on half of them.
   */
  finish(isCut: boolean): void {
    this.#advance()
    for (const block of this.#queue.splice(0)) {
      if (block.type === 'tool_use' && !isCut && !isWhole(block)) {
        throw new AppError(
          'upstream_failed',
          `The model called the tool ${JSON.stringify(block.name)} with arguments that are not a JSON object.`,
        )
      }
      this.#send(block)
      this.#stop()
    }
  }

  #callOf({ index, id, name }: CallFragment): CallBlock {
    const known = this.#calls.get(index)
    // Some servers number every parallel call 0; a new id with a name is a new call all the same.
    const isKnown = known !== undefined && (name === '' || id === '' || id === known.id)
    if (isKnown) return known
    if (name === '' || id === '') {
      throw new AppError(
        'upstream_failed',
        'The provider sent a part of a tool call that it never began.',
      )
    }
    const call: CallBlock = {
      type: 'tool_use',
      id,
      name,
      arguments: new JsonObjectProgress(),
      pending: '',
    }
    this.#calls.set(index, call)
    this.#queue.push(call)
    return call
  }

  /** Sends what can be sent: all that the front block has, and, where that is finished, the blocks behind it. */
  #advance(): void {
    let front = this.#queue[0]
    while (front !== undefined) {
      this.#send(front)
      if (this.#queue.length === 1 || !isFinished(front)) return
      this.#stop()
      this.#queue.shift()
      front = this.#queue[0]
    }
  }

  #send(block: TextBlock | CallBlock): void {
    const index = this.#index
    if (!this.#isFrontStarted) {
      this.#isFrontStarted = true
      this.#emit('content_block_start', { index, content_block: emptyBlock(block) })
    }
    if (block.pending === '') return
    const delta =
      block.type === 'text'
        ? { type: 'text_delta', text: block.pending }
        : { type: 'input_json_delta', partial_json: block.pending }
    block.pending = ''
    this.#emit('content_block_delta', { index, delta })
  }

  #stop(): void {
    this.#emit('content_block_stop', { index: this.#index })
    this.#index += 1
    this.#isFrontStarted = false
  }
}

/** Nothing more can come for a block that has others behind it: text goes on in a new one. */
function isFinished(block: TextBlock | CallBlock): boolean {
  return block.type === 'text' || block.arguments.progress === 'complete'
}

/** A tool without parameters is often called with no text at all. */
function isWhole(call: CallBlock): boolean {
  return call.arguments.progress === 'complete' || call.arguments.progress === 'empty'
}

function emptyBlock(block: TextBlock | CallBlock): object {
  if (block.type === 'text') return { type: 'text', text: '', citations: null }
  return { type: 'tool_use', id: block.id, name: block.name, input: {} }
}
