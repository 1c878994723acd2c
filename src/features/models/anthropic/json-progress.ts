/** How far a JSON object has arrived: nothing, a part, all of it, or something that is no object. */
type Progress = 'empty' | 'partial' | 'complete' | 'broken'

/**
 * Follows the text of one JSON object that arrives in fragments and tells when its closing brace is there. It keeps
 * count of the nesting, not of the text, and leaves judging the grammar in between to whoever parses it.
 */
export class JsonObjectProgress {
  #depth = 0
  #inString = false
  #escaped = false
  #progress: Progress = 'empty'

  get progress(): Progress {
    return this.#progress
  }

  push(fragment: string): void {
    for (const char of fragment) {
      if (this.#inString) this.#stepInString(char)
      else this.#step(char)
    }
  }

  #stepInString(char: string): void {
    if (this.#escaped) this.#escaped = false
    else if (char === '\\') this.#escaped = true
    else if (char === '"') this.#inString = false
  }

  #step(char: string): void {
    if (this.#progress === 'broken' || /\s/.test(char)) return
    if (this.#progress !== 'partial') {
      // The one thing that may come is the first brace; behind the last one, nothing may.
      this.#progress = this.#progress === 'empty' && char === '{' ? 'partial' : 'broken'
      this.#depth = 1
      return
    }
    if (char === '"') this.#inString = true
    else if (char === '{' || char === '[') this.#depth += 1
    else if (char === '}' || char === ']') this.#depth -= 1
    if (this.#depth === 0) this.#progress = 'complete'
  }
}
