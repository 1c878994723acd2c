// Writes the documents that derive from the code: node scripts/write-docs.ts
import { writeFileSync } from 'node:fs'
import { renderConfigurationReference } from '../src/config/reference.ts'
import { renderErrorReference } from '../src/lib/error-reference.ts'

const documents = {
  'docs/configuration.md': renderConfigurationReference(),
  'docs/errors.md': renderErrorReference(),
}

for (const [file, text] of Object.entries(documents)) {
  writeFileSync(new URL(`../${file}`, import.meta.url), text)
  console.log(`wrote ${file}`)
}
