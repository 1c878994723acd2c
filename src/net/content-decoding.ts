import {
  brotliDecompressSync,
  constants,
  gunzipSync,
  inflateSync,
  zstdDecompressSync,
} from 'node:zlib'

interface DecodingOptions {
  readonly maxOutputLength: number
  readonly finishFlush: number
}

const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH, ZSTD_e_flush } = constants

const decoders: ReadonlyMap<string, (bytes: Buffer, maxOutputLength: number) => Buffer> = new Map([
  ['gzip', zlibDecoder(gunzipSync, Z_SYNC_FLUSH)],
  ['deflate', zlibDecoder(inflateSync, Z_SYNC_FLUSH)],
  ['br', zlibDecoder(brotliDecompressSync, BROTLI_OPERATION_FLUSH)],
  ['zstd', zlibDecoder(zstdDecompressSync, ZSTD_e_flush)],
])

function zlibDecoder(
  decode: (bytes: Buffer, options: DecodingOptions) => Buffer,
  finishFlush: number,
): (bytes: Buffer, maxOutputLength: number) => Buffer {
  // With a flush in place of the end, a body that was cut off gives what there is of it.
  return (bytes, maxOutputLength) => decode(bytes, { maxOutputLength, finishFlush })
}

/**
 * What a body of that `content-encoding` says: gzip, deflate, br or zstd, also where its end is missing. Undefined where
 * it cannot be read, or would be longer than `decodedBytesMax`. Blocks meanwhile, so it is for short bodies.
 */
export function decodeContent(
  bytes: Buffer,
  encoding: string,
  decodedBytesMax: number,
): Buffer | undefined {
  const decode = decoders.get(encoding.trim().toLowerCase())
  try {
    return decode?.(bytes, decodedBytesMax)
  } catch {
    return undefined
  }
}
