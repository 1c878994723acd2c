/** Reads a part of the configuration as it is at this moment; a reload swaps it underneath. */
export type Live<Value> = () => Value
