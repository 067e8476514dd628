/**
 * The session token: up to where a client has seen each shard, so that a later read shows at least
 * that. Base64url of JSON {v: 1, c: {collectionUid: {shard: [historyId, seq]}}}; opaque to clients but
 * for merging, and unsigned: a forged one can only make its own reader wait.
 */
import * as z from "zod";
import { Problem } from "./problem-code.js";

/** Characters of a token: 256 shards of a few collections. */
export const LONGEST_SESSION = 65_536;

export interface SessionPosition {
  readonly historyId: string;
  readonly seq: number;
}

/** Collection uid -> shard number -> position. */
export type Session = ReadonlyMap<string, ReadonlyMap<number, SessionPosition>>;

const position = z.tuple([z.string().min(1).max(128), z.int().min(0)]);
const token = z.strictObject({
  v: z.literal(1),
  c: z.record(z.string().min(1).max(128), z.record(z.string().regex(/^\d{1,3}$/), position)),
});

export const EMPTY_SESSION: Session = new Map();

/** @throws {Problem} limitExceeded when the session has more shards than a token takes: keep one per collection. */
export function encodeSession(session: Session): string {
  const collections = Object.fromEntries(
    [...session].map(([uid, shards]) => [
      uid,
      Object.fromEntries([...shards].map(([shard, { historyId, seq }]) => [shard, [historyId, seq]])),
    ]),
  );
  const encoded = Buffer.from(JSON.stringify({ v: 1, c: collections })).toString("base64url");
  if (encoded.length <= LONGEST_SESSION) return encoded;
  throw new Problem("limitExceeded", `a session token has at most ${LONGEST_SESSION} characters`);
}

/** @throws {Problem} invalidRequest when the text is no token. */
export function decodeSession(text: string, pointer = "/consistency/session"): Session {
  const parsed = token.safeParse(text.length <= LONGEST_SESSION ? parseJson(text) : undefined);
  if (!parsed.success) {
    const detail = "is no session token; send the session of an answer as it is";
    throw new Problem("invalidRequest", `session ${detail}`, {
      violations: [{ pointer, code: "invalidRequest", detail }],
    });
  }
  return new Map(
    Object.entries(parsed.data.c).map(([uid, shards]) => [
      uid,
      new Map(Object.entries(shards).map(([shard, [historyId, seq]]) => [Number(shard), { historyId, seq }])),
    ]),
  );
}

function parseJson(text: string): unknown {
  // Buffer skips characters that are not base64url: they would make two texts one token.
  if (!/^[A-Za-z0-9_-]+$/.test(text)) return undefined;
  try {
    return JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
}

/**
 * What was seen by either. Of two positions of one history the higher; of two histories the first
 * session's stays: the shard's past was given up, and the next read must say so (historyLost) instead of
 * forgetting what the client had seen.
 */
export function mergeSessions(first: Session, second: Session): Session {
  const merged = new Map([...first].map(([uid, shards]) => [uid, new Map(shards)]));
  for (const [uid, shards] of second) {
    const into = merged.get(uid) ?? new Map<number, SessionPosition>();
    merged.set(uid, into);
    for (const [shard, position] of shards) {
      const known = into.get(shard);
      const newer =
        known === undefined || (known.historyId === position.historyId && known.seq < position.seq);
      if (newer) into.set(shard, position);
    }
  }
  return merged;
}
