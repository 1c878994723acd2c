const prefix = '=?base64?'
const suffix = '?='
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/**
 * The text that the value of an `Mcp-Name` header stands for: itself, or what is wrapped as `=?base64?…?=` (base64 of
 * UTF-8, revision 2026-07-28). Blanks around it do not count. undefined where the wrapping holds no base64 or no UTF-8.
 */
export function decodeHeaderValue(value: string): string | undefined {
  const text = value.replace(/^[ \t]+|[ \t]+$/g, '')
  const isWrapped = text.startsWith(prefix) && text.endsWith(suffix)
  if (!isWrapped || text.length < prefix.length + suffix.length) return text
  const wrapped = text.slice(prefix.length, -suffix.length)
  if (!base64.test(wrapped)) return undefined
  const bytes = Buffer.from(wrapped, 'base64')
  const decoded = bytes.toString('utf8')
  return Buffer.from(decoded, 'utf8').equals(bytes) ? decoded : undefined
}

/** `text` as a header value: as it is, or as base64 between marks where a header would not carry it unchanged. */
export function encodeHeaderValue(text: string): string {
  const isPlain = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/.test(text)
  const looksEncoded = text.startsWith('=?base64?') && text.endsWith('?=')
  if (isPlain && !looksEncoded) return text
  return `=?base64?${Buffer.from(text, 'utf8').toString('base64')}?=`
}
