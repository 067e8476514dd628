/**
 * One copy of a shard as a synchronous state machine: `step(event) -> effects`. It does no IO, reads
 * no clock and draws no random number; the shell around it (the shard worker, or a simulation) owns
 * disk, network and time. The protocol, its invariants (by name) and what was model-checked of it are
 * in docs/replication.md.
 *
 * Shape: term rule first, then the handler of the role. A primary's state lives in PrimaryRole and
 * goes with its term; what survives a restart is DurableCopy.
 *
 * Left out, and refused rather than half done: leases and resuming a term after a restart. A primary
 * that restarted is a replica until it is promoted again.
 */
import type { AllocationId, HistoryId, ShardMap, ShardUid } from "../cluster-map.js";
import { CopyLog } from "./copy-log.js";
import { CopyReads, type ReadingCopy } from "./copy-reads.js";
import type {
  CopyEffect,
  CopyEvent,
  CopyMessage,
  CopySettings,
  CopyView,
  DurableCopy,
  MessageBody,
  StopReason,
  WriteRefusal,
} from "./event.js";
import { PendingChanges, type Confirmation } from "./pending-changes.js";
import { PrimaryRole } from "./primary-role.js";
import { ReplicaRole } from "./replica-role.js";
import { StepOutput } from "./step-output.js";
import { REPEAT_MS } from "./waited-set.js";

/** The durable state of a copy that holds nothing yet. */
export function emptyCopy(shardUid: ShardUid, allocationId: AllocationId, historyId: HistoryId): DurableCopy {
  return {
    shardUid,
    allocationId,
    historyId,
    term: 0,
    activatedTerm: 0,
    baseSeq: 0,
    baseTerm: 0,
    lastSeq: 0,
    termSpans: [],
    globalCheckpoint: 0,
    lastTimeMs: 0,
  };
}

type ReadMessageBody = Extract<
  MessageBody,
  { kind: "termCheck" | "termCheckOk" | "freshnessAsk" | "freshness" }
>;

export class ShardCopy {
  readonly #shardUid: ShardUid;
  readonly #allocationId: AllocationId;
  readonly #settings: CopySettings;
  readonly #snapshotPrefix: string;
  readonly #log: CopyLog;
  #historyId: HistoryId;
  #term: number;
  #activatedTerm: number;
  readonly #replica: ReplicaRole;
  #map: ShardMap | undefined;
  #primary: PrimaryRole | undefined;
  #stopped = false;
  readonly #pending = new PendingChanges();
  #snapshots = 0;
  readonly #disconnected = new Set<AllocationId>();
  readonly #reads: CopyReads;
  #nonces = 0;
  #out = new StepOutput();
  #confirmTo: AllocationId | undefined;
  /** The last confirmation sent in this term: it may be repeated while a newer one waits for the disk. */
  #told: Confirmation | undefined;
  #toldAgainMs = 0;
  #activating = false;

  constructor(durable: DurableCopy, settings: CopySettings, seed: { readonly snapshotPrefix: string }) {
    this.#shardUid = durable.shardUid;
    this.#allocationId = durable.allocationId;
    this.#historyId = durable.historyId;
    this.#settings = settings;
    this.#snapshotPrefix = seed.snapshotPrefix;
    this.#log = new CopyLog(durable);
    this.#term = durable.term;
    this.#activatedTerm = durable.activatedTerm;
    this.#replica = new ReplicaRole(this.#log);
    // The prefix is new at every start: an answer to a question of an earlier life is never taken for one of this.
    this.#reads = new CopyReads(this.#allocationId, () => `${this.#snapshotPrefix}.r${(this.#nonces += 1)}`);
  }

  /** Handles one event; the effects are to be executed in order. */
  step(event: CopyEvent): CopyEffect[] {
    this.#out = new StepOutput();
    this.#confirmTo = undefined;
    this.#activating = false;
    if (!this.#stopped) this.#handle(event);
    this.#settleReads(event);
    return this.#finish();
  }

  canWrite(): WriteRefusal | undefined {
    if (this.#stopped) return "stopped";
    return this.#primary === undefined ? "notPrimary" : this.#primary.refusal();
  }

  /** Copies whose word reads wait for. */
  readsWaitFor(): readonly AllocationId[] {
    return this.#reads.unanswered;
  }

  /** As primary: whose confirmation every commit needs (PrimaryWaitsForStoredSet), itself included. */
  waitedFor(): ReadonlySet<AllocationId> | undefined {
    return this.#primary?.waitedFor;
  }

  get role(): CopyView["role"] {
    return this.#stopped ? "stopped" : this.#primary === undefined ? "replica" : "primary";
  }

  /** As primary: an entry of its term is committed. */
  get ready(): boolean {
    return this.#primary?.ready ?? false;
  }

  get historyId(): HistoryId {
    return this.#historyId;
  }

  get term(): number {
    return this.#term;
  }

  get mapVersion(): number {
    return this.#map?.version ?? 0;
  }

  view(nowMs: number): CopyView {
    return {
      allocationId: this.#allocationId,
      role: this.role,
      ready: this.ready,
      draining: this.#primary?.draining ?? false,
      historyId: this.#historyId,
      term: this.#term,
      mapVersion: this.mapVersion,
      lastSeq: this.#log.lastSeq,
      globalCheckpoint: this.#log.globalCheckpoint,
      inSync: this.#map?.inSync ?? [],
      lag: this.#primary?.lag(nowMs) ?? [],
    };
  }

  // ---------------------------------------------------------------- dispatch

  #handle(event: CopyEvent): void {
    const { nowMs } = event;
    switch (event.kind) {
      case "map":
        return this.#applyMap(event.map, nowMs);
      case "message":
        return this.#receive(event.message, nowMs);
      case "persisted":
        return this.#persisted(event.ticket, nowMs);
      case "write":
        return this.#primary?.write(event.entries, this.#out, nowMs);
      case "tick":
        return this.#tick(event, nowMs);
      case "disconnected":
        this.#disconnected.add(event.copy);
        return this.#primary?.disconnected(event.copy, this.#out, nowMs);
      case "connected":
        this.#disconnected.delete(event.copy);
        return this.#primary?.connected(event.copy, this.#out, nowMs);
      case "snapshotArrived":
        return this.#snapshotArrived(event);
      case "snapshotSent":
        return this.#primary?.snapshotSent(event.to, event.snapshotId, event.ok, this.#out, nowMs);
      case "handOff":
        return this.#primary?.handOff(event.target, this.#out, nowMs);
      case "read":
        return this.#reads.add(event.readId, event.wanted, nowMs);
      case "readGivenUp":
        return this.#reads.giveUp(event.readId);
    }
  }

  /** Last in every step, so that role, term and set are those after it. */
  #settleReads(event: CopyEvent): void {
    if (this.#stopped) {
      if (event.kind === "read") this.#reads.add(event.readId, event.wanted, event.nowMs);
      return this.#reads.refuseAll("stopped", this.#out);
    }
    if (this.#reads.isIdle) return undefined;
    const copy: ReadingCopy = {
      primary: this.#primary,
      primaryId: this.#map?.primary,
      globalCheckpoint: this.#log.globalCheckpoint,
      send: (to, body) => this.#send(to, body),
    };
    this.#reads.settle(copy, this.#out, event.nowMs);
    if (event.kind === "tick") this.#reads.tick(copy, event.nowMs);
    return undefined;
  }

  /** One persist effect for the whole step; answers that rest on it wait for its ticket. */
  #finish(): CopyEffect[] {
    const vital = this.#out.isVital;
    const { effects, persisted } = this.#out.finish(this.#pending.nextTicket);
    const confirm =
      this.#confirmTo === undefined ? undefined : { to: this.#confirmTo, confirmed: this.#replica.confirmed };
    if (persisted) {
      this.#pending.add({
        term: this.#term,
        lastSeq: this.#log.lastSeq,
        confirm: vital ? confirm : undefined,
        activation: this.#activating,
        vital,
      });
    }
    if (confirm === undefined || (persisted && vital)) return effects;
    // Nothing new to make durable: answered now, or behind the vital change that is still on its way to disk.
    if (!this.#pending.confirmBehind(confirm)) this.#confirm(confirm, effects);
    return effects;
  }

  #persisted(ticket: number, nowMs: number): void {
    const { term, activation, lastSeq, confirm } = this.#pending.complete(ticket);
    if (term !== this.#term) return;
    if (this.#primary !== undefined) {
      if (activation) this.#primary.activationDurable(this.#out, nowMs, this.#disconnected);
      this.#primary.ownDurable(lastSeq, this.#out, nowMs);
    } else if (confirm !== undefined) this.#confirm(confirm, this.#out.effects);
  }

  // ---------------------------------------------------------------- terms

  /** Protocol section 4, the term rule: set the term, become replica, forget all primary state; truncate nothing. */
  #adopt(term: number): void {
    if (this.#primary !== undefined) {
      this.#out.note({ what: "steppedDown", term: this.#term, newTerm: term });
      this.#primary.end(this.#out);
      this.#primary = undefined;
    } else if (!this.#activating) this.#out.note({ what: "termAdopted", term });
    this.#term = term;
    this.#replica.startTerm();
    this.#told = undefined;
    this.#out.persist({ term });
  }

  /** Protocol 6.2. A map whose version is not higher than the one held is ignored. */
  #applyMap(map: ShardMap, nowMs: number): void {
    if (this.#map !== undefined && map.version <= this.#map.version) return;
    this.#map = map;
    const named = map.primary === this.#allocationId && map.inSync.includes(this.#allocationId);
    if (named && map.term >= this.#term && map.term > this.#activatedTerm) this.#activate(map, nowMs);
    else if (map.term > this.#term) this.#adopt(map.term);
    else if (map.term === this.#term) this.#primary?.applyMap(map, this.#out, nowMs);
  }

  /**
   * Protocol 6.3: the whole log, pending or not, becomes the log of the term, with a no-op on top. The
   * no-op replaces any foreign tail on the other copies by matching: that is the trim. One transaction,
   * durable before anything is sent in this term.
   *
   * The history is the map's: another one than the copy's own is a forced reset (8.5), which makes this
   * copy's data the first of a new history. That is durable with the activation, or not at all.
   */
  #activate(map: ShardMap, nowMs: number): void {
    this.#activating = true;
    this.#adopt(map.term);
    this.#activatedTerm = map.term;
    if (map.historyId !== this.#historyId) this.#startHistory(map.historyId);
    const startSeq = this.#log.append(map.term, nowMs, { kind: "noop" });
    this.#out.append([
      {
        seq: startSeq,
        term: map.term,
        operationId: "",
        body: { kind: "noop" },
        result: "unchanged",
        timeMs: this.#log.lastTimeMs,
      },
    ]);
    this.#out.persist({ activatedTerm: map.term });
    this.#out.note({ what: "activated", term: map.term, startSeq });
    const self = {
      shardUid: this.#shardUid,
      allocationId: this.#allocationId,
      historyId: this.#historyId,
      term: map.term,
      log: this.#log,
      settings: this.#settings,
      newSnapshotId: () => `${this.#snapshotPrefix}.${(this.#snapshots += 1)}`,
    };
    this.#primary = new PrimaryRole(self, map, startSeq, nowMs);
  }

  #startHistory(historyId: HistoryId): void {
    this.#out.note({ what: "historyStarted", historyId, before: this.#historyId });
    this.#reads.forgetHistory();
    this.#historyId = historyId;
    this.#out.persist({ historyId });
  }

  // ---------------------------------------------------------------- messages

  #receive(message: CopyMessage, nowMs: number): void {
    if (message.to !== this.#allocationId || message.shardUid !== this.#shardUid) return;
    if (message.term < this.#term) {
      if (message.body.kind !== "higherTerm") this.#send(message.from, { kind: "higherTerm" });
      return;
    }
    if (message.term > this.#term) this.#adopt(message.term);
    switch (message.body.kind) {
      case "replicate":
        return this.#replicate(message, message.body);
      case "replicateOk":
        // What is confirmed of another history says nothing of this log.
        if (message.historyId !== this.#historyId) return undefined;
        return this.#primary?.replicateOk(
          message.from,
          message.body.confirmed,
          message.body.globalCheckpoint,
          this.#out,
          nowMs,
        );
      case "mismatch":
        return this.#primary?.mismatch(
          message.from,
          message.body,
          message.historyId === this.#historyId,
          this.#out,
          nowMs,
        );
      case "higherTerm":
        return undefined;
      case "termCheck":
      case "termCheckOk":
      case "freshnessAsk":
      case "freshness":
        return this.#receiveReadMessage(message, message.body, nowMs);
    }
  }

  /** The term rule has held: the message is of this copy's own term. */
  #receiveReadMessage(message: CopyMessage, body: ReadMessageBody, nowMs: number): void {
    if (message.historyId !== this.#historyId) return;
    switch (body.kind) {
      case "termCheck":
        if (this.#primary === undefined) this.#send(message.from, { kind: "termCheckOk", nonce: body.nonce });
        return;
      case "termCheckOk":
        if (this.#primary !== undefined) this.#reads.termCheckOk(message.from, body.nonce);
        return;
      case "freshnessAsk":
        if (this.#primary !== undefined) this.#reads.asked(message.from, body.nonce, body.maxAgeMs, nowMs);
        return;
      case "freshness":
        this.#reads.freshness(body.nonce, body.ageMs, body.globalCheckpoint);
    }
  }

  // ---------------------------------------------------------------- replica

  /** Protocol 5.2. */
  #replicate(message: CopyMessage, body: MessageBody & { kind: "replicate" }): void {
    if (this.#primary !== undefined) {
      return this.#stop(
        "secondPrimaryInTerm",
        `${message.from} replicates in term ${message.term}, which is ours`,
      );
    }
    if (message.historyId !== this.#historyId && !this.#takeHistory(message.historyId)) {
      return this.#send(message.from, { kind: "mismatch", globalCheckpoint: 0, lastSeq: 0 });
    }
    const outcome = this.#replica.follow(body, this.#out);
    switch (outcome.kind) {
      case "conflict":
        return this.#stop("committedEntryConflict", outcome.detail);
      case "mismatch": {
        const { globalCheckpoint, lastSeq } = this.#log;
        return this.#send(message.from, { kind: "mismatch", globalCheckpoint, lastSeq });
      }
      case "taken":
        this.#confirmTo = message.from;
    }
  }

  /** A copy without any data has no history yet and takes the primary's. */
  #takeHistory(historyId: HistoryId): boolean {
    if (!this.#log.isEmpty) return false;
    this.#historyId = historyId;
    this.#out.persist({ historyId });
    return true;
  }

  #snapshotArrived(event: CopyEvent & { kind: "snapshotArrived" }): void {
    const discard = (): void => this.#out.emit({ kind: "discardSnapshot", snapshotId: event.snapshotId });
    if (event.term < this.#term || (this.#primary !== undefined && event.term === this.#term))
      return discard();
    if (event.term > this.#term) this.#adopt(event.term);
    const sameHistory = event.historyId === this.#historyId || this.#log.isEmpty;
    if (sameHistory && this.#replica.holds(event, this.#out)) {
      this.#confirmTo = event.from;
      return discard();
    }
    // No deletion under a stored id: a member of the in-sync set holds all that was committed and needs no snapshot.
    if (this.#map?.inSync.includes(this.#allocationId) === true) return discard();
    if (event.historyId !== this.#historyId) this.#reads.forgetHistory();
    this.#historyId = event.historyId;
    this.#replica.install(event, this.#out);
    this.#confirmTo = event.from;
    return undefined;
  }

  #tick(tick: CopyEvent & { kind: "tick" }, nowMs: number): void {
    if (this.#primary !== undefined) return this.#primary.tick(tick, this.#out, nowMs);
    this.#tellAgain(nowMs);
    return this.#replica.trim(tick.retainFromSeq, this.#out);
  }

  // ---------------------------------------------------------------- sending

  #confirm(confirm: Confirmation, effects: CopyEffect[]): void {
    const { to, confirmed } = confirm;
    const { globalCheckpoint } = this.#log;
    this.#told = confirm;
    effects.push({
      kind: "send",
      message: this.#message(to, { kind: "replicateOk", confirmed, globalCheckpoint }),
    });
  }

  /** A copy whose disk is slow is not silent: it repeats what it has confirmed, and is judged as slow, not as gone. */
  #tellAgain(nowMs: number): void {
    const owes = this.#pending.owesAnswer(this.#term);
    if (this.#told === undefined || !owes || nowMs - this.#toldAgainMs < REPEAT_MS) return;
    this.#toldAgainMs = nowMs;
    this.#confirm(this.#told, this.#out.effects);
  }

  #send(to: AllocationId, body: MessageBody): void {
    this.#out.emit({ kind: "send", message: this.#message(to, body) });
  }

  #message(to: AllocationId, body: MessageBody): CopyMessage {
    return {
      shardUid: this.#shardUid,
      historyId: this.#historyId,
      from: this.#allocationId,
      to,
      term: this.#term,
      body,
    };
  }

  #stop(reason: StopReason, detail: string): void {
    if (this.#primary !== undefined) this.#primary.end(this.#out);
    this.#primary = undefined;
    this.#stopped = true;
    this.#out.emit({ kind: "stop", reason, detail });
  }
}
