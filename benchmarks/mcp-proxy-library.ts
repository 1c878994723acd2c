/** mcp-proxy in front of an upstream over HTTP: `node mcp-proxy-library.ts <its script> <port> <era> <url>`. */
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

/** What is used of the libraries, which are in no lock file and so have no types here. */
interface ProxyLibrary {
  proxyServer(parts: object): Promise<void>
  resolveVersionNegotiation(protocol: string): unknown
  startHTTPServer(options: object): Promise<unknown>
}

interface ClientLibrary {
  readonly Client: new (
    info: object,
    options: object,
  ) => {
    connect(transport: unknown): Promise<void>
    getServerVersion(): object
    getServerCapabilities(): object
  }
  readonly StreamableHTTPClientTransport: new (url: URL) => unknown
}

interface ServerLibrary {
  readonly Server: new (info: object, options: object) => unknown
}

const [script = '', port = '', era = '', url = ''] = process.argv.slice(2)
const require = createRequire(script)
const proxy = await load<ProxyLibrary>('mcp-proxy')
const { Client, StreamableHTTPClientTransport } = await load<ClientLibrary>(
  '@modelcontextprotocol/client',
)
const { Server } = await load<ServerLibrary>('@modelcontextprotocol/server')

const versionNegotiation = proxy.resolveVersionNegotiation(era)
const client = new Client(
  { name: 'mcp-proxy', version: '1.0.0' },
  { capabilities: {}, versionNegotiation },
)
await client.connect(new StreamableHTTPClientTransport(new URL(url)))
const capabilities = client.getServerCapabilities()
await proxy.startHTTPServer({
  port: Number(port),
  host: '127.0.0.1',
  sseEndpoint: null,
  // The command line's defaults.
  keepAliveTimeout: 300_000,
  sessionIdleTimeout: 1_800_000,
  createServer: async () => {
    const server = new Server(client.getServerVersion(), { capabilities })
    await proxy.proxyServer({
      client,
      server,
      requestTimeout: 300_000,
      serverCapabilities: capabilities,
    })
    return server
  },
})

/** Loads the copy that the peer itself uses. */
async function load<Library>(name: string): Promise<Library> {
  const entry = require.resolve(name)
  return (await import(pathToFileURL(entry.replace(/\.cjs$/, '.mjs')).href)) as Library
}
