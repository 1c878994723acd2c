/**
 * Node's HTTP module. An `import` of it reads every export, some of which load Node's own copy of undici when they are
 * read: 50 ms and several MB of each start, for what nobody here uses.
 */
const http = process.getBuiltinModule('node:http')

/** As in node:http. */
export const { createServer, request, STATUS_CODES } = http
