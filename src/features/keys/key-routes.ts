import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { requesterOf } from '../../net/requester.ts'
import { describeRoutes } from '../../net/route-schema.ts'
import { IssuedKey, KeyChange, KeyList, KeyView, NewKey } from '../../protocol/api/keys.ts'
import { IdPath, Nothing, WorkspaceQuery } from '../../protocol/api/workspaces.ts'
import type { Issued, KeyAdministration } from './key-administration.ts'
import { toKeyView } from './key-view.ts'

const about = describeRoutes('keys')

/** `/api/keys`: keys of a workspace. Their text is shown when it is made, and never again. */
export function keyRoutes(administration: KeyAdministration): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/api/keys',
      about('List the keys', { querystring: WorkspaceQuery, response: { 200: KeyList } }),
      async (request) => {
        const keys = administration.list(requesterOf(request), request.query.workspace)
        return { keys: keys.map(({ settings }) => toKeyView(settings)) }
      },
    )

    app.post(
      '/api/keys',
      about('Create a key', { body: NewKey, response: { 201: IssuedKey } }),
      async (request, reply) => {
        const issued = await administration.create(requesterOf(request), request.body)
        return reply.code(201).send(toIssuedView(issued))
      },
    )

    app.get(
      '/api/keys/:id',
      about('Show a key', { params: IdPath, response: { 200: KeyView } }),
      async (request) =>
        toKeyView(administration.get(requesterOf(request), request.params.id).settings),
    )

    app.patch(
      '/api/keys/:id',
      about('Change a key', { params: IdPath, body: KeyChange, response: { 200: KeyView } }),
      async (request) => {
        const { id } = request.params
        const key = await administration.update(requesterOf(request), id, request.body)
        return toKeyView(key.settings)
      },
    )

    app.post(
      '/api/keys/:id/rotate',
      about('Give a key a new text', { params: IdPath, response: { 200: IssuedKey } }),
      async (request) =>
        toIssuedView(await administration.rotate(requesterOf(request), request.params.id)),
    )

    app.delete(
      '/api/keys/:id',
      about('Delete a key and all keys below it', { params: IdPath, response: { 204: Nothing } }),
      async (request, reply) => {
        await administration.remove(requesterOf(request), request.params.id)
        return reply.code(204).send()
      },
    )
  }
}

function toIssuedView({ key, text }: Issued) {
  return { ...toKeyView(key.settings), key: text }
}
