/** One line of a bulk body: its envelope is parsed here, its document is left to the worker. */
import { parseBulkLine, type BulkLine } from "@prism/api/document";
import type { Limits } from "@prism/api/limits";
import { Problem } from "@prism/api/problem-code";
import { parseJson } from "./document-route.js";
import { findMembers, skipNested } from "./json-members.js";

const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const BEFORE_ID = Buffer.from('{"id":"');
const AFTER_ID = Buffer.from('","document":{');

export interface ParsedBulkLine {
  readonly line: Omit<BulkLine, "document">;
  /** JSON of the document; undefined for delete. */
  readonly document: Uint8Array | undefined;
}

/** Throws Problem: `invalidJson`, or every violation of the line's form. */
export function readBulkLine(bytes: Uint8Array, limits: Limits): ParsedBulkLine {
  const plain = readPlainLine(bytes);
  if (plain !== undefined) {
    const { id, document } = plain;
    return { line: parseBulkLine({ id, document: {} }, limits), document };
  }
  const members = findMembers(bytes);
  if (members === undefined) {
    parseJson(bytes);
    throw new Problem("invalidRequest", 'a line is an object such as {"id": …, "document": {…}}');
  }
  const envelope: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  let document: Uint8Array | undefined;
  for (const [key, { start, end }] of members) {
    const value = bytes.subarray(start, end);
    if (key === "document" && value[0] === OPEN_OBJECT) {
      document = value;
      envelope[key] = {};
    } else {
      envelope[key] = parseJson(value);
    }
  }
  return { line: parseBulkLine({ ...envelope }, limits), document };
}

/**
 * What a line says that is written as nearly all are: an id without escapes, then the document, and no space
 * between. Undefined for any other, which is read member by member.
 */
function readPlainLine(
  bytes: Uint8Array,
): { readonly id: string; readonly document: Uint8Array } | undefined {
  if (!hasAt(bytes, 0, BEFORE_ID)) return undefined;
  const idEnd = bytes.indexOf(QUOTE, BEFORE_ID.length);
  if (idEnd === -1 || !hasAt(bytes, idEnd, AFTER_ID)) return undefined;
  let id = "";
  for (let at = BEFORE_ID.length; at < idEnd; at += 1) {
    const byte = bytes[at]!;
    if (byte < 0x20 || byte > 0x7e || byte === BACKSLASH) return undefined;
    id += String.fromCharCode(byte);
  }
  const start = idEnd + AFTER_ID.length - 1;
  const end = bytes.length - 1;
  if (bytes[end] !== CLOSE_OBJECT || skipNested(bytes, start) !== end) return undefined;
  return { id, document: bytes.subarray(start, end) };
}

function hasAt(bytes: Uint8Array, from: number, wanted: Uint8Array): boolean {
  for (let i = 0; i < wanted.length; i += 1) if (bytes[from + i] !== wanted[i]) return false;
  return true;
}
