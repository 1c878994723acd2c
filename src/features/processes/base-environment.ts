import { delimiter } from 'node:path'

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
      if (value === undefined) return []
      return [[name, name === 'PATH' ? withoutScriptFolders(value) : value]]
    }),
  )
}

/** npm puts folders of ours in front when it runs a script; a child is to find the programs that its user has. */
function withoutScriptFolders(path: string): string {
  const folders = path.split(delimiter)
  return folders
    .filter((folder) => !/node_modules[\\/]\.bin$|node-gyp-bin$/.test(folder))
    .join(delimiter)
}
