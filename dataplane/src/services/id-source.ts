/** New ids: of documents that come without one, operations and requests. */
import { createHash, randomFillSync } from "node:crypto";
import { makeUuidV7, makeUuidV8 } from "../domain/uuid.js";

const ID_BYTES = 10;
const pool = Buffer.alloc(ID_BYTES * 512);
let next = pool.length;

export function newId(): string {
  if (next === pool.length) {
    randomFillSync(pool);
    next = 0;
  }
  const random = pool.subarray(next, next + ID_BYTES);
  next += ID_BYTES;
  return makeUuidV7(Date.now(), random);
}

/**
 * The id of a document that comes without one. With an operation id it is made of that: a retry must
 * reach the shard that may have executed the first try, which a new id would not.
 */
export function newDocumentId(collectionUid: string, operationId: string | undefined): string {
  if (operationId === undefined) return newId();
  return makeUuidV8(createHash("sha256").update(`${collectionUid}\n${operationId}`).digest());
}
