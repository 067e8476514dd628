/** One line of a bulk body: its envelope is parsed here, its document is left to the worker. */
import { parseBulkLine, type BulkLine } from "@prism/api/document";
import type { Limits } from "@prism/api/limits";
import { Problem } from "@prism/api/problem-code";
import { parseJson } from "./document-route.js";
import { findMembers } from "./json-members.js";

const OPEN_OBJECT = 0x7b;

export interface ParsedBulkLine {
  readonly line: Omit<BulkLine, "document">;
  /** JSON of the document; undefined for delete. */
  readonly document: Uint8Array | undefined;
}

/** Throws Problem: `invalidJson`, or every violation of the line's form. */
export function readBulkLine(bytes: Uint8Array, limits: Limits): ParsedBulkLine {
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
