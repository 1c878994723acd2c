/**
 * The lines of a stream of UTF-8, without their ends (LF, CR LF or CR), as they become complete; at the end what is left,
 * unless it is empty. Other characters that some take for line ends stay: JSON has them in texts.
 */
export async function* readTextLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let pieces: string[] = []
  // A CR may be the first half of a line end.
  let held = ''
  for await (const chunk of chunks) {
    const text = held + decoder.decode(chunk, { stream: true })
    held = text.endsWith('\r') ? '\r' : ''
    const [first = '', ...others] = text.slice(0, text.length - held.length).split(/\r\n|\n|\r/)
    pieces.push(first)
    for (const next of others) {
      yield pieces.join('')
      pieces = [next]
    }
  }
  const rest = pieces.join('') + decoder.decode()
  if (rest !== '') yield rest
}
