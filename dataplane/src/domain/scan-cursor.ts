/** Where a scan goes on: base64url of JSON [collectionUid, last id]; opaque to clients. */
import { Problem } from "@prism/api/problem-code";

export function encodeScanCursor(lastId: string, collectionUid: string): string {
  return Buffer.from(JSON.stringify([collectionUid, lastId])).toString("base64url");
}

/** The last id. Throws Problem `invalidRequest` on a text that is no cursor, or one of another collection. */
export function decodeScanCursor(cursor: string, collectionUid: string): string {
  const parsed = parse(cursor);
  if (!Array.isArray(parsed) || parsed.length !== 2 || typeof parsed[1] !== "string") {
    throw new Problem("invalidRequest", "cursor is none that a scan gave; start again without it");
  }
  if (parsed[0] !== collectionUid) {
    // Also when the collection was deleted and made again: its documents are others now.
    throw new Problem("invalidRequest", "the cursor is of another collection; start again without it");
  }
  return parsed[1];
}

function parse(cursor: string): unknown {
  if (!/^[A-Za-z0-9_-]+$/.test(cursor)) return undefined;
  try {
    return JSON.parse(Buffer.from(cursor, "base64url").toString("utf8")) as unknown;
  } catch {
    return undefined;
  }
}
