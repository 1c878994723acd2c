import { errorDefinitions } from './errors.ts'

/** The text of docs/errors.md: every error code with its status, its meaning and what to do. */
export function renderErrorReference(): string {
  const rows = Object.entries(errorDefinitions).map(
    ([code, { status, meaning, remedy }]) => `| \`${code}\` | ${status} | ${meaning} | ${remedy} |`,
  )
  return `<!-- Written by \`npm run docs\` from src/lib/errors.ts; do not edit. -->

# Errors

Every answer that is an error carries one of these codes. A code never changes its meaning.
The management API and everything that follows no contract of others answer \`{"error": {"code", "message", "hint"?, "issues"?, "requestId"}}\`; the model routes answer in the shape of the API they speak. An error that Portico did not foresee is \`internal_error\` and tells nothing but the request id, under which the log has the rest.

| Code | Status | Meaning | What to do |
| --- | --- | --- | --- |
${rows.join('\n')}
`
}
