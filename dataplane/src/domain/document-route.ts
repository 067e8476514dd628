/** Which shard a document belongs to. */
import type { CollectionSpec } from "@prism/api/collection";
import { Problem, type Violation } from "@prism/api/problem-code";
import { toPointer } from "@prism/api/schema";
import { findMembers, type JsonRange } from "./json-members.js";

const utf8 = new TextDecoder();

export interface DocumentWrite {
  readonly action: "put" | "create" | "patch" | "delete";
  readonly id: string;
  /** The document or patch as JSON; undefined for delete. */
  readonly document: Uint8Array | undefined;
  /** The shard key as the request gives it beside the document. */
  readonly shardKey: string | undefined;
}

/**
 * The key that the ring is asked with. Throws Problem `shardKeyMissing` when the collection has a
 * shard key and the write does not tell it, `invalidRequest` when it tells two.
 */
export function ringKeyOfWrite(spec: Pick<CollectionSpec, "shardKey">, write: DocumentWrite): string {
  const { shardKey: field } = spec;
  if (field === undefined) return write.id;
  const inDocument =
    write.document === undefined ? undefined : stringMember(write.document, field, write.action);
  const key = inDocument ?? write.shardKey;
  const isWhole = write.action === "put" || write.action === "create";
  if (key === undefined || (isWhole && inDocument === undefined)) {
    const where = isWhole ? `field ${field} of the document` : "?shardKey= (shardKey in bulk)";
    throw shardKeyMissing(field, `the shard key is missing: ${where}`);
  }
  if (write.shardKey !== undefined && write.shardKey !== key) {
    // Anything else would leave the document in one shard under the key of another.
    const detail = `${field} is the shard key: ${JSON.stringify(key)} in the document, ${JSON.stringify(write.shardKey)} beside it`;
    throw new Problem("invalidRequest", detail, {
      violations: [{ pointer: toPointer([field]), code: "invalidRequest", detail }],
    });
  }
  if (write.action === "patch" && write.shardKey === undefined) {
    throw shardKeyMissing(field, "the shard key is missing: ?shardKey= (shardKey in bulk)");
  }
  return key;
}

/** As ringKeyOfWrite, for a read by id. */
export function ringKeyOfRead(
  spec: Pick<CollectionSpec, "shardKey">,
  id: string,
  shardKey: string | undefined,
): string {
  if (spec.shardKey === undefined) return id;
  if (shardKey === undefined)
    throw new Problem("shardKeyMissing", `the collection's shard key is ${spec.shardKey}: add ?shardKey=`);
  return shardKey;
}

/** Undefined when the document has no such member. */
function stringMember(
  document: Uint8Array,
  field: string,
  action: DocumentWrite["action"],
): string | undefined {
  const range = membersOf(document).get(field);
  if (range === undefined) return undefined;
  const value = parseJson(document.subarray(range.start, range.end));
  if (typeof value === "string") return value;
  if (value === undefined || (value === null && action !== "patch")) return undefined;
  throw shardKeyMissing(field, `${field} is the shard key and must be one string`);
}

function membersOf(document: Uint8Array): Map<string, JsonRange> {
  const members = findMembers(document);
  if (members !== undefined) return members;
  parseJson(document);
  throw new Problem("invalidRequest", "a document is an object");
}

/** Throws Problem `invalidJson`. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes)) as unknown;
  } catch (error) {
    throw new Problem("invalidJson", error instanceof Error ? error.message : "not JSON", { cause: error });
  }
}

function shardKeyMissing(field: string, detail: string): Problem {
  const violation: Violation = { pointer: toPointer([field]), code: "shardKeyMissing", detail };
  return new Problem("shardKeyMissing", detail, { violations: [violation] });
}
