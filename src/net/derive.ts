import type { Live } from '../lib/live.ts'

/** Builds something from the configuration and builds it anew only when the configuration has become another object. */
export function derive<Config extends object, Derived>(
  config: Live<Config>,
  build: (config: Config) => Derived,
): Live<Derived> {
  let source = config()
  let derived = build(source)
  return () => {
    const current = config()
    if (current !== source) {
      derived = build(current)
      source = current
    }
    return derived
  }
}
