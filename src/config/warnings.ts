import type { Config } from './schema.ts'

const loopback = /^(localhost|127(\.\d{1,3}){3}|::1)$/
const comfortableAdminKeyChars = 16

/** What is allowed and yet unwise, one sentence each, for whoever starts the program. */
export function listWarnings(config: Config): string[] {
  const { server, workspaces, adminKey, redisUrl } = config
  const isPublic = !loopback.test(server.host)
  const isEncrypted =
    server.publicUrl?.startsWith('https:') === true && server.trustedProxies.length > 0
  const rules: readonly (readonly [applies: boolean, sentence: string])[] = [
    [
      isPublic && !isEncrypted,
      'The public listener accepts other machines without TLS: put a TLS proxy in front and name it in server.trustedProxies, with an https server.publicUrl.',
    ],
    [
      !loopback.test(server.dashboardHost) && server.dashboardUrl?.startsWith('https:') !== true,
      'The dashboard listens beyond this machine without TLS.',
    ],
    [
      isPublic && workspaces.open,
      'workspaces.open is on and other machines can connect: anybody may create a workspace.',
    ],
    [
      adminKey !== undefined && adminKey.reveal().length < comfortableAdminKeyChars,
      `The admin key is shorter than ${comfortableAdminKeyChars} characters.`,
    ],
    [
      redisUrl !== undefined,
      'redisUrl is set, but this version does not use Redis: limits count per process.',
    ],
  ]
  return rules.filter(([applies]) => applies).map(([, sentence]) => sentence)
}
