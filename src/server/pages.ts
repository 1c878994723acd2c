import type { Answer } from '../net/answer.ts'
import { inlineSource } from '../net/security-headers.ts'
import { readVersion } from '../lib/version.ts'

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 3rem auto; padding: 0 1rem }
code { font-family: ui-monospace, monospace }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: .3rem .8rem .3rem 0; vertical-align: top; border-bottom: 1px solid #8884 }
dt { font-weight: 600 }
`
const inline = { styles: [inlineSource(style)] }

/** What the public listener says to somebody who opens it in a browser. */
export function landingPage(dashboardUrl: string): Answer {
  return page(
    200,
    'Portico',
    `<p>One door for everything an AI agent reaches. This is its public side; it answers programs that carry a key.</p>
<p>Models: <code>/v1</code>. Management: <a href="/api/docs">/api/docs</a>.
Dashboard: <a href="${escapeHtml(dashboardUrl)}">${escapeHtml(dashboardUrl)}</a>.</p>`,
  )
}

/** The figures on the dashboard's status page. */
export interface StatusFigures {
  readonly publicUrl: string
  readonly runningCalls: number
}

/** What the dashboard's listener shows until there is more to it. */
export function statusPage(figures: StatusFigures): Answer {
  const rows = [
    ['Version', readVersion()],
    ['Public URL', figures.publicUrl],
    ['Up', `${Math.floor(process.uptime())} s`],
    ['Model calls running', String(figures.runningCalls)],
  ]
  const list = rows.map(([name, value]) => `<dt>${name}</dt><dd>${escapeHtml(String(value))}</dd>`)
  return page(
    200,
    'Portico status',
    `<dl>${list.join('')}</dl><p><a href="/api/docs">Management API</a></p>`,
  )
}

interface OpenApiDocument {
  readonly paths?: Record<string, Record<string, { summary?: string; description?: string }>>
}

/** A readable list of the management API. */
export function apiPage(document: OpenApiDocument): Answer {
  const rows = Object.entries(document.paths ?? {}).flatMap(([path, operations]) =>
    Object.entries(operations).map(
      ([method, { summary, description }]) =>
        `<tr><td><code>${method.toUpperCase()}</code></td><td><code>${escapeHtml(path)}</code></td><td>${escapeHtml(summary ?? description ?? '')}</td></tr>`,
    ),
  )
  return page(
    200,
    'Portico management API',
    `<p>Send a key with the scope <code>manage</code> as <code>Authorization: Bearer</code> or <code>X-API-Key</code>.
Machine-readable: <a href="/api/openapi.json">/api/openapi.json</a> (OpenAPI 3.1).</p>
<table><thead><tr><th>Method</th><th>Path</th><th>What it does</th></tr></thead><tbody>${rows.join('')}</tbody></table>`,
  )
}

function page(status: number, title: string, body: string): Answer {
  return {
    status,
    type: 'text/html; charset=utf-8',
    page: inline,
    body: `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title><style>${style}</style></head><body><h1>${title}</h1>${body}</body></html>`,
  }
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
