/** How far a read's copies must be, and what a reader has seen afterwards. */
import { decodeSession, EMPTY_SESSION, encodeSession, mergeSessions, type Session } from "@prism/api/session";
import { ReadLevelKind } from "@prism/proto/frame-kind";
import type { ReadLevel } from "@prism/proto/gen/node";

/** What one shard showed. */
export interface SeenShard {
  readonly shard: number;
  readonly historyId: string;
  readonly seq: number;
}

export class ReadSession {
  readonly #given: Session;
  readonly #collectionUid: string;

  /** Without a token every read level is "as it is". Throws Problem `invalidRequest` on a text that is no token. */
  constructor(token: string | undefined, collectionUid: string, pointer?: string) {
    this.#given = token === undefined ? EMPTY_SESSION : decodeSession(token, pointer);
    this.#collectionUid = collectionUid;
  }

  levelOf(shard: number): ReadLevel | undefined {
    const position = this.#given.get(this.#collectionUid)?.get(shard);
    if (position === undefined) return undefined;
    const { seq: minimumSeq, historyId } = position;
    return { minimumSeq, historyId, kind: ReadLevelKind.applied, maxStalenessMs: 0 };
  }

  /** The token after this read: what was given and what was seen, so that a later read never goes back. */
  after(seen: readonly SeenShard[]): string {
    return encodeSession(mergeSessions(this.#given, sessionOf(this.#collectionUid, seen)));
  }
}

/** The highest position of each shard; of two histories the one seen last. */
export function sessionOf(collectionUid: string, seen: readonly SeenShard[]): Session {
  const shards = new Map<number, { historyId: string; seq: number }>();
  for (const { shard, historyId, seq } of seen) {
    const known = shards.get(shard);
    if (known === undefined || known.historyId !== historyId || known.seq < seq) {
      shards.set(shard, { historyId, seq });
    }
  }
  return shards.size === 0 ? EMPTY_SESSION : new Map([[collectionUid, shards]]);
}
