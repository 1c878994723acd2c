/**
 * Makes the function that gives the options of one management route: what it does, in a few words for the reader of
 * the API's page, and the zod schemas of what it takes and answers. `tag` groups the routes of one noun.
 */
export function describeRoutes(
  tag: string,
): <Schema extends object>(
  summary: string,
  schema: Schema,
) => { schema: Schema & { tags: string[]; summary: string } } {
  return (summary, schema) => ({ schema: { tags: [tag], summary, ...schema } })
}
