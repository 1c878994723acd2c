import { open } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { PorticoProcess } from './programs.ts'
import { spreadOf } from './statistics.ts'
import type { Figure } from './statistics.ts'

/**
 * Sets the gateway up with everything that costs something on the way: a provider with prices, an alias, and a key
 * with an allow-list, limits and a budget. Returns the key's text.
 */
export async function configureGateway(
  portico: PorticoProcess,
  upstreamPort: number,
): Promise<string> {
  await callManagement(portico, 'providers', {
    name: 'mock',
    kind: 'openai',
    baseUrl: `http://127.0.0.1:${upstreamPort}/v1`,
    apiKey: 'sk-upstream-of-the-benchmark',
    models: ['m'],
    allowPrivate: true,
    prices: { '*': { input: 1, output: 2 } },
  })
  await callManagement(portico, 'aliases', {
    name: 'fast',
    targets: [{ provider: 'mock', model: 'm' }],
  })
  const { key } = await callManagement(portico, 'keys', {
    name: 'load',
    scopes: ['models:use'],
    allowedModels: ['fast'],
    requestsPerMinute: 1e9,
    tokensPerMinute: 1e9,
    budget: { day: 1e6 },
  })
  return String(key)
}

/** The end of the access log may still wait in a buffer; this many lines are sure to be more than it holds. */
const bufferedLinesMax = 100

/**
 * Tells how many of the answered requests have left a usage row, and throws unless the features that should cost
 * something were at work: rows were written, and so was the access log.
 */
export async function checkRecords(portico: PorticoProcess, answered: number): Promise<Figure> {
  const rows = await countUsageRows(portico, answered)
  if (rows === 0) throw new Error('Portico recorded no usage')
  const lines = await countAccessLines(portico.logFile)
  if (lines < answered - bufferedLinesMax)
    throw new Error(`${lines} access lines for ${answered} requests`)
  return {
    name: 'usage rows missing',
    unit: '%',
    spread: spreadOf([(1 - rows / answered) * 100]),
    detail: `${rows} rows for ${answered} requests`,
  }
}

async function countAccessLines(logFile: string): Promise<number> {
  await using log = await open(logFile)
  let lines = 0
  for await (const line of log.readLines()) {
    if (line.includes('"path":"/v1/chat/completions"')) lines += 1
  }
  return lines
}

/** Rows are written in batches, so the last ones may take a moment. */
async function countUsageRows(portico: PorticoProcess, expected: number): Promise<number> {
  const deadline = performance.now() + 10_000
  let rows = 0
  while (rows < expected && performance.now() < deadline) {
    await pause(200)
    const { total } = await callManagement(portico, 'usage')
    rows = (total as { requests: number }).requests
  }
  return rows
}

/** Calls the management API; with a body it creates, without one it reads. */
export async function callManagement(
  portico: PorticoProcess,
  noun: string,
  body?: unknown,
): Promise<Record<string, unknown>> {
  const answer = await fetch(`http://127.0.0.1:${portico.port}/api/${noun}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${portico.adminKey}`, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`/api/${noun}: ${answer.status} ${text}`)
  return JSON.parse(text) as Record<string, unknown>
}
