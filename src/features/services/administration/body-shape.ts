import type { FastifySchemaCompiler } from 'fastify'
import { validatorCompiler } from 'fastify-type-provider-zod'
import type { z } from 'zod'

/**
 * Validates a body against the one of two schemas that it was written for, so that mistakes are named: a union would
 * only say that neither fits. `isOther` looks at a body that is not checked yet. What is no body is checked as usual.
 */
export function validateByShape(
  schemas: { readonly usual: z.ZodType; readonly other: z.ZodType },
  isOther: (body: object) => boolean,
): FastifySchemaCompiler<unknown> {
  return (route) => {
    if (route.httpPart !== 'body') {
      return validatorCompiler({ ...route, schema: route.schema as z.ZodType })
    }
    const usual = validatorCompiler({ ...route, schema: schemas.usual })
    const other = validatorCompiler({ ...route, schema: schemas.other })
    return (body: unknown) => {
      const isObject = typeof body === 'object' && body !== null
      return isObject && isOther(body) ? other(body) : usual(body)
    }
  }
}
