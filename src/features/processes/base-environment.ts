const passedOn = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'USER', 'LOGNAME']

/** Variables by name. */
export type Environment = Readonly<Record<string, string>>

/** What every child gets of our environment: the names of a short list, and nothing else. */
export function pickBaseEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Environment {
  return Object.fromEntries(
    passedOn.flatMap((name) => {
      const value = environment[name]
      return value === undefined ? [] : [[name, value]]
    }),
  )
}
