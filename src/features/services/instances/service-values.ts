import type { Secret } from '../../../config/secret.ts'
import { AppError } from '../../../lib/errors.ts'
import type { Service } from '../service.ts'

/** Finds the values that a key has set for a service. */
export type FindUserValues = (serviceId: string, keyId: string) => ReadonlyMap<string, Secret>

/** The values of a service, with those that each user has of their own. Throws `invalid_request` where one is missing. */
export function resolveValues(
  service: Service,
  keyId: string | undefined,
  userValues: FindUserValues,
): Record<string, string> {
  const own = keyId === undefined ? new Map<string, Secret>() : userValues(service.id, keyId)
  const resolved: Record<string, string> = {}
  for (const [name, value] of service.values) {
    if (value.kind === 'plain') resolved[name] = value.text
    else if (value.kind === 'secret') resolved[name] = value.secret.reveal()
    else {
      const text = own.get(name)?.reveal()
      if (text === undefined) throw missingValue(service, name)
      resolved[name] = text
    }
  }
  return resolved
}

/** Says whether each user has a connection of their own, because their values differ. */
export function hasUserValues({ values }: Pick<Service, 'values'>): boolean {
  return [...values.values()].some(({ kind }) => kind === 'per-user')
}

function missingValue({ name }: Service, value: string): AppError {
  return new AppError('invalid_request', `The service ${name} needs a value of yours: ${value}.`, {
    param: value,
    hint: `Set it with PUT /api/services/${name}/values/${value}.`,
  })
}
