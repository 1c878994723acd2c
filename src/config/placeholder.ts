/** Words that end up as a secret when somebody means to fill it in later. */
const weakWords = new Set(['admin', 'default', 'example', 'password', 'secret', 'test', 'todo'])

/** What documentation and templates write where a secret goes. */
const templates = [
  /change[-_ ]?(it|me|this)/i,
  /replace[-_ ]?(it|me|this|with)/i,
  /^(insert|put|enter)[-_ ]/i,
  /^your[-_ ]/i,
  /[-_ ]here$/i,
  /placeholder/i,
  /^<.*>$/,
  /^\$?\{.*\}$/,
  /^%.*%$/,
  /^(sk-|ptk_)?([x*.-])\2*$/i,
]

/** Says whether the text is a template's stand-in for a secret, e.g. `changeme`, `your-key-here`, `<key>` or `xxx`. */
export function isTemplateText(text: string): boolean {
  return templates.some((template) => template.test(text.trim()))
}

/** Says whether the text protects nothing: it is empty, a stand-in, a word everybody tries first, or one character repeated. */
export function isPlaceholder(text: string): boolean {
  const word = text.trim().toLowerCase()
  return word === '' || weakWords.has(word) || isTemplateText(word) || /^(.)\1*$/.test(word)
}
