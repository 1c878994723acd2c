import { AppError } from '../../lib/errors.ts'
import type { ChildExit } from './program-spec.ts'

/** In a few words how a child ended, e.g. `ended with code 1`. */
export function describeExit({ code, signal, error }: ChildExit): string {
  if (error !== null) return `failed: ${error}`
  return signal === null ? `ended with code ${code}` : `was ended by ${signal}`
}

/** The `service_failed` for a program that does not run: how it ended, and what it last said on stderr. */
export function programFailure(
  command: string,
  exit: ChildExit,
  details: { readonly state: string; readonly retryAfterMs?: number },
): AppError {
  const { state, ...more } = details
  const message = `The program ${command} ${describeExit(exit)}${state}.`
  const hint =
    exit.stderr.length === 0
      ? 'It printed nothing on stderr.'
      : `Its last lines on stderr:\n${exit.stderr.join('\n')}`
  return new AppError('service_failed', message, { hint, ...more })
}
