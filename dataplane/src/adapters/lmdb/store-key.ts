/**
 * Keys of the named databases. A shard's data lies under a slot, a number that one store never gives
 * twice: replacing all data of a shard is a change of its slot in one record. Keys sort by slot, then
 * by what follows: sequence number, document number, or the id's UTF-8 bytes.
 */
const SLOT_BYTES = 4;
const NUMBER_BYTES = 6;

export const MAX_NUMBER = 2 ** 48 - 1;

/** Slot and a sequence or document number. */
export function numberKey(slot: number, number: number): Buffer {
  const key = Buffer.allocUnsafe(SLOT_BYTES + NUMBER_BYTES);
  key.writeUInt32BE(slot, 0);
  // As writeUIntBE of six bytes, in half the time.
  key.writeUInt16BE(Math.floor(number / 0x100000000), SLOT_BYTES);
  key.writeUInt32BE(number % 0x100000000, SLOT_BYTES + 2);
  return key;
}

export function numberOfKey(key: Uint8Array): number {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).readUIntBE(SLOT_BYTES, NUMBER_BYTES);
}

export function idKey(slot: number, id: string): Buffer {
  const key = Buffer.allocUnsafe(SLOT_BYTES + Buffer.byteLength(id));
  key.writeUInt32BE(slot, 0);
  key.write(id, SLOT_BYTES);
  return key;
}

export function idOfKey(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("utf8", SLOT_BYTES);
}

/** The smallest key of a slot; that of the next slot is the end of this one's range. */
export function slotStart(slot: number): Buffer {
  const key = Buffer.allocUnsafe(SLOT_BYTES);
  key.writeUInt32BE(slot, 0);
  return key;
}

/** The smallest key above `key`. */
export function keyAfter(key: Uint8Array): Buffer {
  const after = Buffer.alloc(key.byteLength + 1);
  after.set(key);
  return after;
}

export function recordKey(shardUid: string): Buffer {
  return Buffer.from(`shard/${shardUid}`);
}

/** Where the record of the shard lies that the copy was given last. */
export function keptKey(shardUid: string): Buffer {
  return Buffer.from(`kept/${shardUid}`);
}

export const RECORDS_START = Buffer.from("shard/");
export const RECORDS_END = Buffer.from("shard0");
export const STORE_KEY = Buffer.from("store");
