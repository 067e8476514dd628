import { randomBytes } from "node:crypto";

/**
 * A UUID of version 7 (RFC 9562, section 5.7): 48 bits of time in milliseconds, the rest random. The
 * cluster remembers operation ids for a window of time; the time inside tells how old an id is.
 */
export function newOperationId(): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
