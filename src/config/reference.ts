import type { EnvironmentVariable } from './environment.ts'
import { commandVariables, environmentVariables } from './environment.ts'
import { needsRestart } from './restart.ts'
import type { Setting } from './settings.ts'
import { listSettings } from './settings.ts'

const introduction = `<!-- Written by \`npm run docs\` from src/config; do not edit. -->

# Configuration

Portico starts without any configuration. Settings come from three places, and a later one wins:

1. a file: the one that \`--config\` or \`${commandVariables.config}\` names, else \`portico.yaml\` or \`portico.json\` in the working folder;
2. environment variables; one that is set but empty counts as absent, unless it is a secret;
3. options of the command line (\`portico serve --help\`).

\`\`\`yaml
server:
  publicUrl: https://gateway.example.com
  trustedProxies: [10.0.0.0/8]
limits:
  modelBodyBytesMax: 16777216
\`\`\`

A setting that does not exist, a value of the wrong kind, an empty secret or one such as \`changeme\` stops the start with exit code 2. All mistakes are listed at once, with line and column; \`portico config check\` lists them without starting anything. The file is plain data: YAML aliases and tags are refused.

A change of the file, or SIGHUP, reloads it. What is marked *restart* stays as it was until the next start. A file that is not valid changes nothing.

Lists in environment variables are separated by commas. Switches are \`true\` or \`false\`. Paths are relative to the working folder.
`

/** The text of docs/configuration.md: every setting with type, default, environment variable and meaning. */
export function renderConfigurationReference(): string {
  const groups = Map.groupBy(listSettings(), ({ path }) => path.slice(0, path.lastIndexOf('.') + 1))
  return [
    introduction,
    ...[...groups].map(([prefix, settings]) => renderGroup(prefix, settings)),
    renderAliases(),
    renderCommandVariables(),
  ].join('\n')
}

function renderGroup(prefix: string, settings: readonly Setting[]): string {
  const title = prefix === '' ? 'Top level' : `\`${prefix.slice(0, -1)}\``
  const rows = settings.map((setting) => [
    `\`${setting.path}\``,
    setting.type,
    formatDefault(setting),
    variablesOf(setting.path),
    setting.description + (needsRestart(setting.path) ? ' *Restart.*' : ''),
  ])
  return `## ${title}\n\n${renderTable(['Setting', 'Type', 'Default', 'Environment', 'Meaning'], rows)}`
}

function variablesOf(path: string): string {
  return environmentVariables
    .filter((variable) => variable.path === path && variable.origin === undefined)
    .map(({ name }) => `\`${name}\``)
    .join(', ')
}

function renderAliases(): string {
  const aliases = environmentVariables.filter(({ origin }) => origin !== undefined)
  const rows = aliases.map((alias) => [`\`${alias.name}\``, alias.origin ?? '', meaningOf(alias)])
  return `## Names of other programs

These variables of the programs that Portico replaces are understood as well. Two names that give the same setting different values are a mistake.

${renderTable(['Environment', 'Known from', 'Sets'], rows)}`
}

function meaningOf({ path, note }: EnvironmentVariable): string {
  return `\`${path}\`${note === undefined ? '' : `: ${note}`}`
}

function renderCommandVariables(): string {
  return `## Variables of the command line

${renderTable(
  ['Environment', 'Meaning'],
  [
    [`\`${commandVariables.config}\``, 'The configuration file, as `--config`.'],
    [`\`${commandVariables.key}\``, 'The key that `portico doctor` uses.'],
  ],
)}
Any other variable whose name starts with \`PORTICO_\` is a mistake, so that a slip does not go unnoticed.
`
}

function renderTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows]
  return lines.map((cells) => `| ${cells.map(escapeCell).join(' | ')} |`).join('\n') + '\n'
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|')
}

function formatDefault({ path, default: value }: Setting): string {
  if (value === undefined) return ''
  const inWords = typeof value === 'number' ? amountInWords(path, value) : undefined
  return `\`${JSON.stringify(value)}\`${inWords === undefined ? '' : ` (${inWords})`}`
}

const scales = {
  bytes: [
    [1024 * 1024, 'MiB'],
    [1024, 'KiB'],
  ],
  ms: [
    [60_000, 'min'],
    [1000, 's'],
  ],
} as const

function amountInWords(path: string, value: number): string | undefined {
  const scale = path.toLowerCase().endsWith('bytesmax')
    ? scales.bytes
    : path.endsWith('Ms')
      ? scales.ms
      : []
  const fitting = scale.find(([unit]) => value >= unit && value % unit === 0)
  return fitting && `${value / fitting[0]} ${fitting[1]}`
}
