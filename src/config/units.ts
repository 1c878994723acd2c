/** Sizes in bytes. */
export const KiB = 1024
export const MiB = 1024 * KiB

/** Durations in milliseconds. */
export const secondMs = 1000
export const minuteMs = 60 * secondMs
