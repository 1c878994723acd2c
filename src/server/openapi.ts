import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { readVersion } from '../lib/version.ts'
import { ErrorBody } from '../protocol/api/error.ts'

/** How the OpenAPI 3.1 document is made of the routes. Each of them may answer with an error, which none says for itself. */
export const openApiOptions: FastifyDynamicSwaggerOptions = {
  openapi: {
    openapi: '3.1.0',
    info: { title: 'Portico management API', version: readVersion() },
    security: [{ bearer: [] }, { apiKey: [] }],
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
      responses: {
        Error: {
          description: 'The request was refused, or failed.',
          content: { 'application/json': { schema: plainSchema(ErrorBody) } },
        },
      },
    },
  },
  transform: jsonSchemaTransform,
  transformObject(made) {
    if (!('openapiObject' in made)) return made.swaggerObject
    const document = made.openapiObject
    for (const operations of Object.values(document.paths ?? {})) {
      for (const operation of Object.values(operations ?? {})) {
        if (typeof operation !== 'object' || !('responses' in operation)) continue
        operation.responses = { ...operation.responses, default: errorReference }
      }
    }
    return document
  },
}

const errorReference = { $ref: '#/components/responses/Error' } as const

/** Without the dialect, which the document states once for all schemas. */
function plainSchema(schema: z.ZodType): object {
  const { $schema: _dialect, ...plain } = z.toJSONSchema(schema)
  return plain
}
