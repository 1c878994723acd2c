import { AppError } from '../../../lib/errors.ts'

/**
 * Splits a line into arguments as a POSIX shell splits words: white space separates, single quotes keep everything,
 * double quotes keep all but a backslash before `"`, `\`, `$` and a backquote, a backslash outside quotes keeps the next
 * character (POSIX.1-2024, XCU 2.2). Nothing is expanded: variables, patterns, pipes and comments are plain text.
 * Throws `invalid_request` for a quote that is not closed and for a backslash at the end.
 */
export function splitArguments(line: string): string[] {
  const words: string[] = []
  let word: string | undefined
  let at = 0
  while (at < line.length) {
    const character = line[at] as string
    if (isSpace(character)) {
      if (word !== undefined) words.push(word)
      word = undefined
      at += 1
    } else {
      const piece = readPiece(line, at)
      word = (word ?? '') + piece.text
      at = piece.end
    }
  }
  if (word !== undefined) words.push(word)
  return words
}

/** A part of a word and where it ends. */
interface Piece {
  readonly text: string
  readonly end: number
}

function readPiece(line: string, at: number): Piece {
  const character = line[at] as string
  switch (character) {
    case "'":
      return readSingleQuoted(line, at + 1)
    case '"':
      return readDoubleQuoted(line, at + 1)
    case '\\':
      if (at + 1 === line.length) throw unfinished('a backslash at the end')
      return { text: line[at + 1] as string, end: at + 2 }
    default:
      return { text: character, end: at + 1 }
  }
}

function readSingleQuoted(line: string, start: number): Piece {
  const end = line.indexOf("'", start)
  if (end < 0) throw unfinished('a single quote that is not closed')
  return { text: line.slice(start, end), end: end + 1 }
}

function readDoubleQuoted(line: string, start: number): Piece {
  let text = ''
  let at = start
  while (at < line.length && line[at] !== '"') {
    const isEscape = line[at] === '\\' && isEscapable(line[at + 1])
    text += line[isEscape ? at + 1 : at] as string
    at += isEscape ? 2 : 1
  }
  if (at >= line.length) throw unfinished('a double quote that is not closed')
  return { text, end: at + 1 }
}

function isSpace(character: string): boolean {
  return character === ' ' || character === '\t'
}

function isEscapable(character: string | undefined): boolean {
  return character !== undefined && '"\\$`'.includes(character)
}

function unfinished(what: string): AppError {
  return new AppError('invalid_request', `args has ${what}.`, { param: 'args' })
}
