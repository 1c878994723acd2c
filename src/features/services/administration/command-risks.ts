/** Programs that run what an argument says, and how the argument is recognised. */
const interpreters: readonly {
  readonly programs: RegExp
  readonly argument: RegExp
  readonly risk: string
}[] = [
  {
    programs: /^(?:sh|bash|dash|zsh|ksh|fish|ash|busybox)$/,
    argument: /^-[a-z]*c[a-z]*$/,
    risk: 'A shell runs the text after -c: any command.',
  },
  {
    programs: /^(?:cmd|powershell|pwsh)$/,
    argument: /^[-/](?:c|k|command|encodedcommand|e|ec|enc)$/i,
    risk: 'A shell runs the text of an argument: any command.',
  },
  {
    programs: /^(?:node|nodejs|bun|deno)$/,
    argument: /^(?:-[a-z]*[ep][a-z]*|--eval(?:=.*)?|--print(?:=.*)?|eval)$/,
    risk: 'Node.js runs the text of an argument as a program.',
  },
  {
    programs: /^(?:node|nodejs|bun)$/,
    argument: /^(?:-r|--require|--import|--loader|--experimental-loader)(?:=.*)?$/,
    risk: 'Node.js loads a further module before the program.',
  },
  {
    programs: /^(?:python|python\d[\d.]*|pypy\d?)$/,
    argument: /^-[a-zA-Z]*c.*$/,
    risk: 'Python runs the text of an argument as a program.',
  },
  {
    programs: /^(?:perl|ruby|php|lua)$/,
    argument: /^-[a-z]*[erR]$/,
    risk: 'The interpreter runs the text of an argument as a program.',
  },
  {
    programs: /^(?:npx|npm|pnpm|pnpx|yarn|bunx)$/,
    argument: /^(?:-c|--call(?:=.*)?)$/,
    risk: 'npx gives the text of an argument to a shell: any command.',
  },
  {
    programs: /^(?:npx|npm|pnpm|pnpx|yarn|bunx)$/,
    argument: /^(?:-p|--package(?:=.*)?)$/,
    risk: 'npx installs a package other than the one that it seems to run.',
  },
  {
    programs: /^(?:uvx|uv|pipx)$/,
    argument: /^(?:--from|--with|--spec|--index-url|--extra-index-url|--index)(?:=.*)?$/,
    risk: 'uvx installs from elsewhere than the name of the tool says.',
  },
  {
    programs: /^(?:docker|podman|nerdctl)$/,
    argument: /^(?:-v.*|--volume(?:=.*)?|--mount(?:=.*)?)$/,
    risk: 'The container sees folders of this machine.',
  },
  {
    programs: /^(?:docker|podman|nerdctl)$/,
    argument:
      /^(?:--privileged|--(?:pid|net|network|ipc|userns)=host|--cap-add(?:=.*)?|--device(?:=.*)?)$/,
    risk: 'The container is not kept apart from this machine.',
  },
  {
    programs: /^(?:env|sudo|doas|nohup|nice|timeout|xargs|setsid|stdbuf)$/,
    argument: /^/,
    risk: 'The program runs another one, which its arguments name.',
  },
]

const installers = /^(?:npx|pnpx|bunx|uvx|pipx)$/

/**
 * What an administrator should know before approving a command: which of its arguments make it run more than it shows.
 * A help for reading, not a boundary; the boundary is that the command is approved word for word.
 */
export function describeRisks(command: string, args: readonly string[]): string[] {
  const program = programName(command)
  const found = interpreters
    .filter(
      ({ programs, argument }) => programs.test(program) && args.some((arg) => argument.test(arg)),
    )
    .map(({ risk }) => risk)
  const isUnpinned = installers.test(program) && !args.some((arg) => /[^@]@\d|==\d/.test(arg))
  return [
    ...found,
    ...(isUnpinned
      ? ['What is installed has no fixed version: tomorrow it may be another program.']
      : []),
    ...([command, ...args].some((text) => /[^\x20-\x7e]/.test(text))
      ? ['It contains characters that are invisible or look like others.']
      : []),
  ]
}

function programName(command: string): string {
  const last = command.split(/[\\/]/).at(-1) ?? ''
  return last.toLowerCase().replace(/\.(?:exe|cmd|bat)$/, '')
}
