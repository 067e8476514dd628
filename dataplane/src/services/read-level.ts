/** How far a read's copies must be, what it says of that, and what its reader has seen afterwards. */
import type { Consistency, ConsistencyAnswer } from "@prism/api/consistency";
import type { ProblemCode } from "@prism/api/problem-code";
import { decodeSession, EMPTY_SESSION, encodeSession, mergeSessions, type Session } from "@prism/api/session";
import { ReadLevelKind } from "@prism/proto/frame-kind";
import type { ReadLevel } from "@prism/proto/gen/node";

/** What one shard showed. */
export interface SeenShard {
  readonly shard: number;
  readonly historyId: string;
  readonly seq: number;
}

/** A shard that answered with less than was asked for, as the reader allows. */
export interface Downgrade {
  readonly shard: number;
  readonly reason: ProblemCode;
  readonly detail: string;
}

export class ReadSession {
  readonly consistency: Consistency;
  readonly #given: Session;
  readonly #collectionUid: string;

  /**
   * @param pointer where the request has its session
   * @throws {Problem} invalidRequest when that is no token
   */
  constructor(consistency: Consistency, collectionUid: string, pointer?: string) {
    const { level, session } = consistency;
    this.consistency = consistency;
    this.#given =
      level === "eventual" || session === undefined ? EMPTY_SESSION : decodeSession(session, pointer);
    this.#collectionUid = collectionUid;
  }

  /** Whether only the primary may answer. */
  get isForPrimary(): boolean {
    return this.consistency.level === "strong";
  }

  /** Whether any in-sync copy may answer with what it has. */
  get isEventual(): boolean {
    return this.consistency.level === "eventual";
  }

  levelOf(shard: number): ReadLevel | undefined {
    const { level, maxStalenessMs = 0 } = this.consistency;
    const position = this.#given.get(this.#collectionUid)?.get(shard);
    const kind = KINDS[level];
    if (position === undefined && kind === ReadLevelKind.applied) return undefined;
    return { minimumSeq: position?.seq ?? 0, historyId: position?.historyId ?? "", kind, maxStalenessMs };
  }

  /** For a second call that belongs to the same read: no less than the first one showed. */
  levelAfter({ historyId, seq: minimumSeq }: SeenShard): ReadLevel | undefined {
    if (this.isEventual) return undefined;
    return { minimumSeq, historyId, kind: ReadLevelKind.applied, maxStalenessMs: 0 };
  }

  /** What the answer says of its level. */
  answered(isComplete: boolean, downgrades: readonly Downgrade[]): ConsistencyAnswer {
    const { level } = this.consistency;
    // A shard that did not answer may hold just what the level asks for.
    const met = level === "eventual" || (isComplete && downgrades.length === 0);
    return { level, met, ...(downgrades.length === 0 ? {} : { downgraded: [...downgrades] }) };
  }

  /** The token after this read: what was given and what was seen, so that a later read never goes back. */
  after(seen: readonly SeenShard[]): string {
    return encodeSession(mergeSessions(this.#given, sessionOf(this.#collectionUid, seen)));
  }
}

const KINDS = {
  eventual: ReadLevelKind.applied,
  readYourWrites: ReadLevelKind.applied,
  bounded: ReadLevelKind.bounded,
  strong: ReadLevelKind.strong,
} as const;

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
