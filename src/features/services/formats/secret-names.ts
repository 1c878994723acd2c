const secretName =
  /key|token|secret|passw(?:or)?d|passphrase|credential|authorization|cookie|(?:^|_)(?:pat|dsn|pwd)$/i
/** Prefixes that issuers put before their keys, JSON Web Tokens, and URLs with a password. */
const secretValue =
  /^(?:Bearer |Basic )|\b(?:sk-|ghp_|gho_|github_pat_|glpat-|xox[abprs]-|AKIA|AIza|ptk_|hf_)[\w-]{8,}|\beyJ[\w-]{8,}\.|:\/\/[^\s/:@]*:[^\s/@]+@/

/** Says whether a variable or header is to be kept secret, by its name or by what its value looks like. */
export function looksSecret(name: string, value: string): boolean {
  return secretName.test(name) || secretValue.test(value)
}
