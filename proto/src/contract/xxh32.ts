/**
 * xxHash, 32-bit variant. Source: Yann Collet, "XXH32 algorithm description", xxHash fast digest
 * algorithm, version 0.1.1 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md).
 *
 * Not a cryptographic hash: whoever chooses the keys can choose their shard.
 */
const PRIME1 = 0x9e3779b1;
const PRIME2 = 0x85ebca77;
const PRIME3 = 0xc2b2ae3d;
const PRIME4 = 0x27d4eb2f;
const PRIME5 = 0x165667b1;

/** Returns an unsigned 32-bit integer. */
export function xxh32(input: Uint8Array, seed = 0): number {
  const stripesEnd = input.length - (input.length % 16);
  let hash = stripesEnd > 0 ? hashStripes(input, stripesEnd, seed) : (seed + PRIME5) | 0;
  hash = (hash + input.length) | 0;
  let at = stripesEnd;
  for (; at + 4 <= input.length; at += 4) {
    hash = (hash + Math.imul(readUint32(input, at), PRIME3)) | 0;
    hash = Math.imul(rotateLeft(hash, 17), PRIME4);
  }
  for (; at < input.length; at += 1) {
    hash = (hash + Math.imul(input[at]!, PRIME5)) | 0;
    hash = Math.imul(rotateLeft(hash, 11), PRIME1);
  }
  return avalanche(hash);
}

function hashStripes(input: Uint8Array, end: number, seed: number): number {
  let acc1 = (seed + PRIME1 + PRIME2) | 0;
  let acc2 = (seed + PRIME2) | 0;
  let acc3 = seed | 0;
  let acc4 = (seed - PRIME1) | 0;
  for (let at = 0; at < end; at += 16) {
    acc1 = round(acc1, readUint32(input, at));
    acc2 = round(acc2, readUint32(input, at + 4));
    acc3 = round(acc3, readUint32(input, at + 8));
    acc4 = round(acc4, readUint32(input, at + 12));
  }
  return (rotateLeft(acc1, 1) + rotateLeft(acc2, 7) + rotateLeft(acc3, 12) + rotateLeft(acc4, 18)) | 0;
}

function round(accumulator: number, lane: number): number {
  return Math.imul(rotateLeft((accumulator + Math.imul(lane, PRIME2)) | 0, 13), PRIME1);
}

function avalanche(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 15), PRIME2);
  mixed = Math.imul(mixed ^ (mixed >>> 13), PRIME3);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function readUint32(input: Uint8Array, at: number): number {
  return input[at]! | (input[at + 1]! << 8) | (input[at + 2]! << 16) | (input[at + 3]! << 24);
}
