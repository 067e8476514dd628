/**
 * What a copy does in verifications of its shard: waits for the marker in the log, pins the store as it is
 * right after it, and is asked for sums and documents of that moment.
 *
 *   prepare -> waiting --marker applied--> pinning --on disk--> reading -> done --release or silence--> gone
 *
 * While the marker's commit is on its way nothing else is applied: the store then shows exactly the marker's
 * sequence number, on every copy the same.
 */
import { Problem } from "@prism/api/problem-code";
import { VerifyState, VerifyStep } from "@prism/proto/frame-kind";
import { VerifyRequest, VerifyResponse } from "@prism/proto/gen/node";
import type { ShardStore } from "../adapters/lmdb/shard-store.js";
import type { LogEntry } from "../domain/replication/log-entry.js";
import { verificationOf, type CopyReading as Sums } from "../domain/verification.js";
import { CopyReading } from "./copy-reading.js";

export interface VerificationHost {
  readonly shardUid: string;
  readonly allocationId: string;
  readonly store: ShardStore;
  indexedDocuments(): number;
  /** Puts all that is applied into the store's next commit. */
  flush(): void;
  /** Entries may be applied again. */
  resumeApplying(): void;
}

/** Each holds back the reuse of pages in the store. */
const MOST_AT_ONCE = 4;
/** One that nobody asks for any more is dropped. */
const SILENCE_MS = 15_000;
/** How long a question waits for news. */
const ANSWER_WITHIN_MS = 500;

interface Verification {
  reading: CopyReading | undefined;
  sums: Sums | undefined;
  failure: Problem | undefined;
  silence: NodeJS.Timeout;
  readonly news: Set<() => void>;
}

export class CopyVerifications {
  readonly #host: VerificationHost;
  readonly #running = new Map<string, Verification>();
  #pinning = false;

  constructor(host: VerificationHost) {
    this.#host = host;
  }

  /** Nothing may be applied now. */
  get isPinning(): boolean {
    return this.#pinning;
  }

  /** @throws {Problem} */
  async answer(payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const { verificationId, step, buckets } = VerifyRequest.decode(payload);
    switch (step as VerifyStep) {
      case VerifyStep.prepare:
        this.#prepare(verificationId);
        return this.#respond(verificationId);
      case VerifyStep.digest:
        await this.#news(verificationId, Math.min(timeoutMs, ANSWER_WITHIN_MS));
        return this.#respond(verificationId);
      case VerifyStep.list:
        return this.#list(verificationId, new Set(buckets));
      case VerifyStep.release:
        this.#end(verificationId);
        return this.#respond(verificationId);
    }
    throw new Problem("notImplemented", `verification step ${step} is unknown to this node`);
  }

  /** To be called with each applied entry, before the next: true when nothing more may be applied now. */
  pins(entry: LogEntry): boolean {
    const id = verificationOf(entry.operationId);
    const verification = id === undefined ? undefined : this.#running.get(id);
    if (id === undefined || verification === undefined || verification.reading !== undefined) return false;
    const indexed = this.#host.indexedDocuments();
    this.#pinning = true;
    queueMicrotask(() => this.#pin(id, verification, entry.seq, indexed));
    return true;
  }

  #pin(id: string, verification: Verification, seq: number, indexed: number): void {
    this.#host.flush();
    this.#host.store.onDurable(() => {
      this.#pinning = false;
      if (this.#running.get(id) === verification) this.#read(verification, seq, indexed);
      this.#host.resumeApplying();
    });
  }

  close(): void {
    for (const id of this.#running.keys()) this.#end(id);
  }

  #prepare(id: string): void {
    if (this.#running.has(id)) return;
    if (this.#running.size >= MOST_AT_ONCE) {
      throw new Problem("tooManyRequests", `${MOST_AT_ONCE} verifications of this copy are running`);
    }
    const silence = setTimeout(() => this.#end(id), SILENCE_MS);
    this.#running.set(id, {
      reading: undefined,
      sums: undefined,
      failure: undefined,
      silence,
      news: new Set(),
    });
  }

  #read(verification: Verification, seq: number, indexed: number): void {
    const { shardUid, store } = this.#host;
    const tell = (): void => {
      for (const listener of verification.news) listener();
    };
    const fail = (error: unknown): void => {
      verification.failure = new Problem("internalError", (error as Error).message, { executed: "no" });
      tell();
    };
    try {
      const reading = new CopyReading(store, shardUid, seq, indexed);
      verification.reading = reading;
      reading.sums().then((sums) => {
        verification.sums = sums;
        tell();
      }, fail);
    } catch (error) {
      fail(error);
    }
  }

  /** Waits until the sums are there, for a moment. */
  async #news(id: string, withinMs: number): Promise<void> {
    const verification = this.#touch(id);
    if (verification === undefined || verification.sums !== undefined || verification.failure !== undefined)
      return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        verification.news.delete(done);
        resolve();
      };
      const timer = setTimeout(done, withinMs);
      verification.news.add(done);
    });
  }

  async #list(id: string, buckets: ReadonlySet<number>): Promise<Uint8Array> {
    const verification = this.#touch(id);
    if (verification?.reading === undefined) return this.#respond(id);
    const listed = await verification.reading.list(buckets);
    this.#touch(id);
    return this.#respond(
      id,
      listed.map((document) => ({ ...document })),
    );
  }

  #touch(id: string): Verification | undefined {
    const verification = this.#running.get(id);
    verification?.silence.refresh();
    return verification;
  }

  /** @throws {Problem} when the copy could not be read. */
  #respond(id: string, listed: VerifyResponse["listed"] = []): Uint8Array {
    const verification = this.#running.get(id);
    if (verification?.failure !== undefined) throw verification.failure;
    const { reading, sums } = verification ?? {};
    return VerifyResponse.encode({
      state: verification === undefined ? VerifyState.gone : stateOf(verification),
      allocationId: this.#host.allocationId,
      seq: reading?.seq ?? 0,
      documents: reading?.documents ?? 0,
      operations: reading?.operations ?? 0,
      indexed: sums?.indexed ?? 0,
      digests: sums?.digests ?? new Uint8Array(0),
      operationsDigest: sums?.operationsDigest ?? new Uint8Array(0),
      listed,
    });
  }

  #end(id: string): void {
    const verification = this.#running.get(id);
    this.#running.delete(id);
    if (verification === undefined) return;
    clearTimeout(verification.silence);
    verification.reading?.end();
    for (const listener of verification.news) listener();
  }
}

function stateOf({ reading, sums }: Verification): VerifyState {
  if (sums !== undefined) return VerifyState.done;
  return reading === undefined ? VerifyState.waiting : VerifyState.reading;
}
