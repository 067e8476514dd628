/**
 * Reads one shard at the level that the request asks for; if that can't be met and the request allows
 * it, at what a copy has, and says so.
 */
import { Problem } from "@prism/api/problem-code";
import type { ShardCall } from "@prism/proto/frame-kind";
import type { ReadLevel } from "@prism/proto/gen/node";
import type { CopyAnswer, CopyReader, ReadOptions, ReadTarget } from "./copy-reader.js";
import { mayPass, type PrimaryReader } from "./primary-reader.js";
import type { Downgrade, ReadSession, SeenShard } from "./read-level.js";

/** Of the time, for the level; the rest is for the answer without it. */
const LEVEL_SHARE = 0.6;

export interface LevelAnswer extends CopyAnswer {
  readonly downgrade: Downgrade | undefined;
}

/** The call's request with that level in it. */
export type EncodeAtLevel = (level: { readonly read?: ReadLevel }) => Uint8Array;

export class LevelReader {
  readonly #copies: CopyReader;
  readonly #primary: PrimaryReader;

  constructor(copies: CopyReader, primary: PrimaryReader) {
    this.#copies = copies;
    this.#primary = primary;
  }

  /**
   * Rejects with ReadFailure; with `consistencyNotMet` or `historyLost` when it is the level that can't be met.
   *
   * @param shown what an earlier call of the same read showed at this level: any copy that is as far will do
   */
  async read(
    target: ReadTarget,
    call: ShardCall,
    encode: EncodeAtLevel,
    session: ReadSession,
    options: ReadOptions,
    shown?: SeenShard,
  ): Promise<LevelAnswer> {
    const read = shown === undefined ? session.levelOf(target.number) : session.levelAfter(shown);
    const payload = encode(read === undefined ? {} : { read });
    const reader = session.isForPrimary && shown === undefined ? this.#primary : this.#copies;
    if (session.isEventual || !session.consistency.allowDowngrade) {
      return { ...(await reader.read(target, call, payload, options)), downgrade: undefined };
    }
    try {
      const deadline = options.deadline.share(LEVEL_SHARE);
      const answer = await reader.read(target, call, payload, { ...options, deadline });
      return { ...answer, downgrade: undefined };
    } catch (error) {
      if (!(error instanceof Problem) || !mayPass(error) || options.deadline.hasPassed) throw error;
      const answer = await this.#copies.read(target, call, encode({}), options);
      const { code: reason, detail } = error;
      return { ...answer, downgrade: { shard: target.number, reason, detail } };
    }
  }
}
