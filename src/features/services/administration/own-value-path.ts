/** Says whether a path of the management API is open to keys that may use services and manage nothing. */
export function isOwnValuePath(path: string): boolean {
  return /^\/api\/services\/[^/]+\/values(?:\/[^/]+)?$/.test(path)
}
