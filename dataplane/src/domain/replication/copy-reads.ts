/**
 * Reads that ask a copy for more than what it has: the rule of when each may be answered, and from
 * which sequence number on.
 *
 * - `strong`: by the primary, after a term check that began after the read had come (read-rounds.ts).
 * - `bounded`: by any copy that shows all that was acknowledged up to `maxStalenessMs` before the read
 *   came. A primary knows it from its last term check. Another copy asks the primary, which answers with
 *   its checkpoint and with how long before the question its last check began. Only lengths of time
 *   travel, so no two clocks are compared; a message that lay somewhere for long makes the copy older,
 *   never fresher, because its age counts from when the question was asked.
 */
import type { AllocationId } from "../cluster-map.js";
import type { MessageBody, ReadRefusal, WantedRead } from "./event.js";
import { ReadRounds, type CheckedPrimary } from "./read-rounds.js";
import type { StepOutput } from "./step-output.js";

const REPEAT_MS = 250;

/** The copy, as its reads see it in one step. */
export interface ReadingCopy {
  /** Undefined for a replica. */
  readonly primary: CheckedPrimary | undefined;
  /** Of the newest map; undefined before the first. */
  readonly primaryId: AllocationId | undefined;
  readonly globalCheckpoint: number;
  readonly send: (to: AllocationId, body: MessageBody) => void;
}

type Reader =
  | { readonly kind: "client"; readonly readId: number }
  | { readonly kind: "copy"; readonly copy: AllocationId; readonly nonce: string };

interface WaitingRead {
  readonly reader: Reader;
  readonly wanted: WantedRead;
  readonly arrivedMs: number;
}

/** All that was acknowledged before `sinceMs` is at or below `seq`. */
interface News {
  readonly sinceMs: number;
  readonly seq: number;
}

interface Question {
  readonly nonce: string;
  readonly askedMs: number;
  sentMs: number;
}

export class CopyReads {
  readonly #newNonce: () => string;
  readonly #rounds: ReadRounds;
  /** Of the running round: they had come before it began. */
  #checked: WaitingRead[] = [];
  #waiting: WaitingRead[] = [];
  #news: News | undefined;
  #question: Question | undefined;

  /** @param newNonce never gives the same text twice, over restarts too */
  constructor(self: AllocationId, newNonce: () => string) {
    this.#newNonce = newNonce;
    this.#rounds = new ReadRounds(self, newNonce);
  }

  get isIdle(): boolean {
    return this.#waiting.length === 0 && this.#checked.length === 0;
  }

  /** Copies that reads wait for, to be named when they wait in vain. */
  get unanswered(): readonly AllocationId[] {
    return this.#rounds.unanswered;
  }

  add(readId: number, wanted: WantedRead, nowMs: number): void {
    this.#waiting.push({ reader: { kind: "client", readId }, wanted, arrivedMs: nowMs });
  }

  giveUp(readId: number): void {
    const stays = ({ reader }: WaitingRead): boolean => reader.kind === "copy" || reader.readId !== readId;
    this.#waiting = this.#waiting.filter(stays);
    this.#checked = this.#checked.filter(stays);
    // Without a reader the round serves nobody, and those who came later need not wait for its end.
    if (this.#checked.length === 0) this.#rounds.abandon();
  }

  termCheckOk(from: AllocationId, nonce: string): void {
    this.#rounds.answered(from, nonce);
  }

  /** Another copy asks how fresh this primary is. Its newest question is the only one. */
  asked(copy: AllocationId, nonce: string, maxAgeMs: number, nowMs: number): void {
    const isOf = ({ reader }: WaitingRead): boolean => reader.kind === "copy" && reader.copy === copy;
    const isRepeated = ({ reader }: WaitingRead): boolean => reader.kind === "copy" && reader.nonce === nonce;
    if (this.#checked.some(isRepeated)) return;
    this.#waiting = this.#waiting.filter((read) => !isOf(read));
    const wanted = { level: "bounded", maxStalenessMs: maxAgeMs } as const;
    this.#waiting.push({ reader: { kind: "copy", copy, nonce }, wanted, arrivedMs: nowMs });
  }

  /** The primary's answer. Its age counts from when the question was asked: the primary heard it no earlier. */
  freshness(nonce: string, ageMs: number, globalCheckpoint: number): void {
    const question = this.#question;
    if (question?.nonce !== nonce) return;
    this.#question = undefined;
    const sinceMs = question.askedMs - ageMs;
    if (this.#news === undefined || sinceMs > this.#news.sinceMs) {
      this.#news = { sinceMs, seq: globalCheckpoint };
    }
  }

  /** The data is another history's now: what was known of the old one says nothing of it. */
  forgetHistory(): void {
    this.#news = undefined;
    this.#question = undefined;
  }

  tick(copy: ReadingCopy, nowMs: number): void {
    this.#rounds.tick((to, nonce) => copy.send(to, { kind: "termCheck", nonce }), nowMs);
    const question = this.#question;
    if (question !== undefined && nowMs - question.sentMs >= REPEAT_MS) this.#ask(question, copy, nowMs);
  }

  /** After every step: answers what can be answered now, and asks for what is lacking. */
  settle(copy: ReadingCopy, out: StepOutput, nowMs: number): void {
    if (this.isIdle) return;
    const { primary } = copy;
    if (primary === undefined) this.#settleReplica(copy, out, nowMs);
    else this.#settlePrimary(primary, copy, out, nowMs);
  }

  refuseAll(reason: ReadRefusal, out: StepOutput): void {
    for (const read of [...this.#checked, ...this.#waiting]) refuse(read, reason, out);
    this.#checked = [];
    this.#waiting = [];
    this.#rounds.abandon();
    this.#question = undefined;
  }

  // ---------------------------------------------------------------- as primary

  #settlePrimary(primary: CheckedPrimary, copy: ReadingCopy, out: StepOutput, nowMs: number): void {
    this.#question = undefined;
    this.#dropRoundOfOtherTerm(primary);
    // Role and term hold now, after the answers. While draining, a successor may be promoted any moment.
    const mayAnswer = primary.ready && !primary.draining;
    if (!mayAnswer) return;
    if (this.#rounds.complete(primary)) {
      for (const read of this.#checked) this.#answer(read, primary, copy, out);
      this.#checked = [];
    }
    this.#waiting = this.#waiting.filter((read) => {
      if (!this.#isFreshEnough(read, primary)) return true;
      this.#answer(read, primary, copy, out);
      return false;
    });
    if (this.#waiting.length === 0 || this.#rounds.isRunning) return;
    this.#checked = this.#waiting;
    this.#waiting = [];
    this.#rounds.start(primary, (to, nonce) => copy.send(to, { kind: "termCheck", nonce }), nowMs);
    // With no other copy to ask it is complete at once.
    if (this.#rounds.unanswered.length === 0) this.#settlePrimary(primary, copy, out, nowMs);
  }

  /** A round of a term that ended shows nothing; its reads had come before the next round. */
  #dropRoundOfOtherTerm(primary: CheckedPrimary): void {
    if (!this.#rounds.isRunning || this.#rounds.term === primary.term) return;
    this.#rounds.abandon();
    this.#waiting = [...this.#checked, ...this.#waiting];
    this.#checked = [];
  }

  /** A strong read never takes a round that began before it came, however short the time between. */
  #isFreshEnough({ wanted, arrivedMs }: WaitingRead, primary: CheckedPrimary): boolean {
    if (wanted.level === "strong") return false;
    const startedMs = this.#rounds.lastStartMs(primary.term);
    return startedMs !== undefined && startedMs > arrivedMs - wanted.maxStalenessMs;
  }

  #answer({ reader, arrivedMs }: WaitingRead, primary: CheckedPrimary, copy: ReadingCopy, out: StepOutput) {
    if (reader.kind === "client") {
      out.emit({ kind: "readReady", readId: reader.readId, atLeastSeq: copy.globalCheckpoint });
      return;
    }
    const startedMs = this.#rounds.lastStartMs(primary.term) ?? arrivedMs;
    const ageMs = Math.max(0, arrivedMs - startedMs);
    const { nonce } = reader;
    copy.send(reader.copy, { kind: "freshness", nonce, ageMs, globalCheckpoint: copy.globalCheckpoint });
  }

  // ---------------------------------------------------------------- as replica

  #settleReplica(copy: ReadingCopy, out: StepOutput, nowMs: number): void {
    this.#rounds.abandon();
    const reads = [...this.#checked, ...this.#waiting];
    this.#checked = [];
    this.#waiting = reads.filter((read) => {
      const { reader, wanted, arrivedMs } = read;
      if (reader.kind === "copy" || wanted.level === "strong") {
        refuse(read, "notPrimary", out);
        return false;
      }
      const news = this.#news;
      if (news === undefined || news.sinceMs <= arrivedMs - wanted.maxStalenessMs) return true;
      out.emit({ kind: "readReady", readId: reader.readId, atLeastSeq: news.seq });
      return false;
    });
    if (this.#waiting.length === 0) this.#question = undefined;
    else if (this.#question === undefined) {
      this.#question = { nonce: this.#newNonce(), askedMs: nowMs, sentMs: nowMs };
      this.#ask(this.#question, copy, nowMs);
    }
  }

  #ask(question: Question, copy: ReadingCopy, nowMs: number): void {
    question.sentMs = nowMs;
    if (copy.primaryId === undefined) return;
    const bounds = this.#waiting.map(({ wanted }) =>
      wanted.level === "bounded" ? wanted.maxStalenessMs : 0,
    );
    const { nonce } = question;
    copy.send(copy.primaryId, { kind: "freshnessAsk", nonce, maxAgeMs: Math.min(...bounds) });
  }
}

/** A copy that asked repeats its question, to whoever is primary then. */
function refuse({ reader }: WaitingRead, reason: ReadRefusal, out: StepOutput): void {
  if (reader.kind === "client") out.emit({ kind: "readRefused", readId: reader.readId, reason });
}
