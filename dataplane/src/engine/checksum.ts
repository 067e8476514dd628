/**
 * The checksum of every index file: CRC-32 as in gzip (ISO 3309), by zlib, which Node has had since
 * 20.15. It finds damage, not forgery.
 */
import { crc32 } from "node:zlib";

/** Unsigned 32 bits. `previous` is the checksum of the bytes before, for data that comes in pieces. */
export function checksum(bytes: Uint8Array, previous = 0): number {
  return crc32(bytes, previous);
}
