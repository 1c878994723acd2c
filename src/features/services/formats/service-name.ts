const lengthMax = 64

/** A name that a service may have, as near to `text` as can be, and not one of `taken`. */
export function toServiceName(text: string, taken: ReadonlySet<string>): string {
  const plain = text
    .normalize('NFKD')
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .replace(/-+$/, '')
    .slice(0, lengthMax)
  const base = plain === '' ? 'service' : plain
  let name = base
  for (let count = 2; taken.has(name); count += 1) {
    const suffix = `-${count}`
    name = base.slice(0, lengthMax - suffix.length) + suffix
  }
  return name
}
