/** The MCP server of the benchmarks on stdio, of both eras, with answers prepared. Ends with its input. */
import { toolOf } from './mcp-traffic.ts'
import { answer } from './mock-mcp-answers.ts'
import type { AskedMessage } from './mock-mcp-answers.ts'

const tool = toolOf('/mcp')
let rest = ''

process.stdin.setEncoding('utf8').on('data', (piece: string) => {
  const lines = (rest + piece).split('\n')
  rest = lines.pop() ?? ''
  // One write for all that came together.
  let output = ''
  for (const line of lines) {
    const text = line === '' ? undefined : answer(JSON.parse(line) as AskedMessage, tool)
    if (text !== undefined) output += `${text}\n`
  }
  if (output !== '') process.stdout.write(output)
})
