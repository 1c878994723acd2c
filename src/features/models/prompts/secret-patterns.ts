/** What a text looks like that opens a door. Each begins with something that ordinary words do not. */
const patterns: readonly RegExp[] = [
  // Portico
  /ptk_[1-9A-HJ-NP-Za-km-z]{32}/,
  /doro-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/,
  // OpenAI, Anthropic, OpenRouter, DeepSeek and others; Stripe's restricted and secret keys
  /\bsk-[A-Za-z0-9_-]{16,}/,
  /\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}/,
  // Google, Groq, xAI, Hugging Face, Replicate, Perplexity, NVIDIA
  /\bAIza[0-9A-Za-z_-]{35}/,
  /\bgsk_[A-Za-z0-9]{20,}/,
  /\bxai-[A-Za-z0-9]{20,}/,
  /\bhf_[A-Za-z0-9]{20,}/,
  /\br8_[A-Za-z0-9]{20,}/,
  /\bpplx-[A-Za-z0-9]{20,}/,
  /\bnvapi-[A-Za-z0-9_-]{20,}/,
  // GitHub, GitLab, npm, PyPI, Slack, SendGrid, AWS
  /\bgh[opsur]_[A-Za-z0-9]{30,}/,
  /\bgithub_pat_[A-Za-z0-9_]{22,}/,
  /\bglpat-[A-Za-z0-9_-]{20,}/,
  /\bnpm_[A-Za-z0-9]{36}/,
  /\bpypi-[A-Za-z0-9_-]{50,}/,
  /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/,
  /\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}/,
  /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/,
  // JSON web tokens, private keys, credentials in headers and in URLs
  /\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/,
  /\b[Bb]earer\s+[A-Za-z0-9._~+/-]{16,}=*/,
  /\b[Aa]uthorization\\?["']?\s*:\s*\\?["']?[Bb]asic\s+[A-Za-z0-9+/]{8,}=*/,
  /:\/\/[^\s/:@"\\]{1,256}:[^\s/@"\\]{1,256}@/,
]

const anySecret = new RegExp(patterns.map((pattern) => pattern.source).join('|'), 'g')

/** Shorter ones would blot out ordinary words. */
const exactLengthMin = 8

/** The text with everything masked that looks like a credential, or that is one of `known`. */
export function maskSecrets(text: string, known: readonly string[] = []): string {
  let masked = text
  for (const secret of known) {
    if (secret.length >= exactLengthMin) masked = masked.replaceAll(secret, '[secret]')
  }
  return masked.replace(anySecret, '[secret]')
}
