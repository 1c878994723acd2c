import type { z } from 'zod'
import type { NeededInput } from '../../../protocol/api/service-formats.ts'
import type { NewService } from '../../../protocol/api/services.ts'

/** A service as a document describes it: the body that would create it, still with the name of the document. */
export interface PortableService {
  /** As in the document; not yet a name that a service may have. */
  readonly name: string
  readonly body: Omit<z.input<typeof NewService>, 'name' | 'workspaceId'>
  /** What was left out or may surprise. */
  readonly warnings: readonly string[]
}

/** What a document says of one of its placeholders. */
export interface InputDeclaration {
  readonly description: string
  readonly isSecret: boolean
}

/** Everything that a document was found to hold. */
export interface ReadDocument {
  readonly services: readonly PortableService[]
  /** By name of the placeholder `${input:name}`. */
  readonly inputs: ReadonlyMap<string, InputDeclaration>
  /** Entries that cannot be read. */
  readonly failures: readonly { readonly name: string; readonly message: string }[]
}

/** A value that is not known yet. */
export type MissingInput = z.output<typeof NeededInput>
