import type { JsonObject } from '../../wire/json.ts'

/** Tools that `find_tools` returns where it is not told how many. */
export const limitDefault = 8
/** Most that it returns. */
export const limitMax = 50

/** The tools that are shown in place of all others, as `tools/list` has them. */
export const searchTools: readonly JsonObject[] = [
  {
    name: 'find_tools',
    title: 'Find tools',
    description:
      'Finds tools for a task. Returns those that fit best, each with its name, description, input schema and what the schema costs in tokens. Call them with call_tool.',
    inputSchema: {
      type: 'object',
      properties: {
        query: {
          type: 'string',
          description:
            'What the tool has to do, in a few words. Empty for the first tools there are.',
        },
        limit: { type: 'integer', minimum: 1, maximum: limitMax, default: limitDefault },
      },
      required: ['query'],
    },
    annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
  },
  {
    name: 'call_tool',
    title: 'Call a tool',
    description:
      'Calls a tool that find_tools returned, with arguments that fit its input schema, and returns what the tool returns.',
    inputSchema: {
      type: 'object',
      properties: {
        name: { type: 'string', description: 'The name as find_tools returned it.' },
        arguments: { type: 'object', description: 'The arguments of the tool.' },
      },
      required: ['name'],
    },
  },
]
