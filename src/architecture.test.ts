import { readFileSync, globSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const root = path.join(import.meta.dirname, '..')
const base = ['lib', 'config']
const kit = [...base, 'protocol', 'net', 'store', 'cluster']

/** Which layer may import which, beside itself. A layer that is not listed may import nothing. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  config: ['lib'],
  protocol: base,
  net: base,
  store: base,
  cluster: base,
  'features/*': kit,
  agent: [...base, 'protocol', 'net'],
  server: [...kit, 'features/*'],
  cli: [...base, 'server', 'agent', 'protocol'],
  'bin.ts': [...base, 'cli'],
}

/** Layers that know the shape of the configuration and nothing of how it comes about. */
const typesOfConfigOnly = ['protocol', 'net', 'store', 'cluster']

const sources = globSync('src/**/*.ts', { cwd: root })
  .filter((file) => file !== path.join('src', 'architecture.test.ts'))
  .map((file) => ({
    file: file.replaceAll(path.sep, '/'),
    layer: layerOf(file),
    text: readFileSync(path.join(root, file), 'utf8'),
  }))
const products = sources.filter(({ file }) => !file.endsWith('.test.ts'))

test('every import follows the arrows of the layer table', () => {
  const violations = sources.flatMap(({ file, layer, text }) =>
    relativeSpecifiers(text)
      .map((specifier) => path.posix.join(path.posix.dirname(file), specifier))
      .filter((target) => !isAllowed({ file, layer, target }))
      .map((target) => `${file} -> ${target}`),
  )
  expect(violations).toEqual([])
})

test('the layers below the features import only types from config', () => {
  const valueImport = /(?:import|export)\s+(?!type\b)[^'";]*?from\s+'[./]+\/config\//
  expect(filesThatMatch(valueImport, (layer) => typesOfConfigOnly.includes(layer))).toEqual([])
})

test('no module is named by an expression', () => {
  expect(filesThatMatch(/\bimport\(\s*[^'\s]/, () => true)).toEqual([])
})

test('only config reads the environment', () => {
  expect(filesThatMatch(/process\s*\.\s*env\b/, (layer) => layer !== 'config')).toEqual([])
})

test('nothing ends the process', () => {
  expect(filesThatMatch(/process\s*\.\s*(exit|reallyExit|abort)\s*\(/, () => true)).toEqual([])
})

test('only the command line prints to the console', () => {
  expect(filesThatMatch(/\bconsole\s*\./, (layer) => layer !== 'cli')).toEqual([])
})

test('child processes start only where they are supervised', () => {
  const allowed = ['features/processes', 'features/deploy', 'agent']
  expect(filesThatMatch(/child_process/, (layer) => !allowed.includes(layer))).toEqual([])
})

test('only net reaches out, and the doctor and the bridge of the command line as the clients that they are', () => {
  const outward = /(?<![.\w])fetch\(|\bglobalThis\.fetch\b|from 'undici'|'node:https'/
  const files = filesThatMatch(outward, (layer) => layer !== 'net')
  expect(files.sort()).toEqual(['src/cli/connect/mcp-http.ts', 'src/cli/doctor.ts'])
})

test('there is less than one try in 200 lines', () => {
  const lines = products.reduce((sum, { text }) => sum + text.split('\n').length, 0)
  const tries = products.reduce(
    (sum, { text }) => sum + (text.match(/\btry\s*\{/g)?.length ?? 0),
    0,
  )
  expect(tries).toBeLessThan(lines / 200)
})

/** The first folder below src, the second one for a feature, or the file's own name. */
function layerOf(file: string): string {
  const [, first = '', second = ''] = file.split(/[\\/]/)
  return first === 'features' ? `features/${second}` : first
}

function relativeSpecifiers(text: string): string[] {
  return [...text.matchAll(/['"`](\.{1,2}\/[^'"`\n]*\.[cm]?[jt]s)['"`]/g)].map(
    ([, specifier = '']) => specifier,
  )
}

function isAllowed({
  file,
  layer,
  target,
}: {
  file: string
  layer: string
  target: string
}): boolean {
  if (target.startsWith('test/support/')) return file.endsWith('.test.ts')
  if (!target.startsWith('src/')) return false
  const to = layerOf(target)
  const allowed = mayImport[wildcard(layer)] ?? []
  return to === layer || allowed.includes(wildcard(to))
}

function wildcard(layer: string): string {
  return layer.replace(/^features\/.*/, 'features/*')
}

function filesThatMatch(pattern: RegExp, isJudged: (layer: string) => boolean): string[] {
  return products
    .filter(({ layer, text }) => isJudged(layer) && pattern.test(text))
    .map(({ file }) => file)
}
