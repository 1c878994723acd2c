/** What a function gives, or what it throws: for a place that goes on either way. */
export type Attempt<Value> =
  | { readonly isOk: true; readonly value: Value }
  | { readonly isOk: false; readonly error: unknown }

/** Calls a function and catches what it throws. */
export function attempt<Value>(run: () => Value): Attempt<Value> {
  try {
    return { isOk: true, value: run() }
  } catch (error) {
    return { isOk: false, error }
  }
}
