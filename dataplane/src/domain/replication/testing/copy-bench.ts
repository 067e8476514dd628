/** One copy under test with its disk and clock in hand, and the words to say what it is told and what it answers. */
import { expect } from "vitest";
import type { AllocationId, HistoryId, NodeId, ShardMap, ShardUid } from "../../cluster-map.js";
import type { CopyEffect, CopyMessage, DurableCopy, MessageBody, TimelessEvent } from "../event.js";
import type { LogEntry } from "../log-entry.js";
import { emptyCopy, ShardCopy } from "../shard-copy.js";

export const SHARD = "s" as ShardUid;
export const HISTORY = "h" as HistoryId;
export const [A, B, C] = ["a", "b", "c"] as [AllocationId, AllocationId, AllocationId];
export const SETTINGS = {
  minReplicasForWrite: 2,
  replicaTimeoutMs: 1000,
  slowReplicaTimeoutMs: 3000,
  windowEntries: 100,
  windowBytes: 100_000,
  maxPendingEntries: 100,
};

/** A copy whose disk completes at once, unless told otherwise. */
export class Bench {
  readonly copy: ShardCopy;
  nowMs = 1000;
  diskHolds = false;
  readonly held: number[] = [];

  constructor(durable: DurableCopy) {
    this.copy = new ShardCopy(durable, SETTINGS, { snapshotPrefix: "x" });
  }

  step(event: TimelessEvent): CopyEffect[] {
    const effects = this.copy.step({ ...event, nowMs: this.nowMs });
    const later: CopyEffect[] = [];
    for (const effect of effects) {
      if (effect.kind !== "persist") continue;
      if (this.diskHolds) this.held.push(effect.ticket);
      else later.push(...this.step({ kind: "persisted", ticket: effect.ticket }));
    }
    return [...effects, ...later];
  }

  releaseDisk(): CopyEffect[] {
    this.diskHolds = false;
    return this.held.splice(0).flatMap((ticket) => this.step({ kind: "persisted", ticket }));
  }

  receive(from: AllocationId, term: number, body: MessageBody): CopyEffect[] {
    const { allocationId } = this.copy.view(this.nowMs);
    const message: CopyMessage = { shardUid: SHARD, historyId: HISTORY, from, to: allocationId, term, body };
    return this.step({ kind: "message", message });
  }

  get view() {
    return this.copy.view(this.nowMs);
  }
}

export function map(change: Partial<ShardMap>): ShardMap {
  return {
    uid: SHARD,
    collectionUid: "c",
    number: 0,
    version: 1,
    term: 1,
    historyId: HISTORY,
    primary: A,
    inSync: [A, B],
    recovering: [],
    copies: [A, B, C].map((id) => ({ id, node: `node-${id}` as NodeId, zone: id })),
    bootstrap: "",
    ...change,
  };
}

export function entry(seq: number, term: number, operationId = `op${seq}.${term}`): LogEntry {
  const body = { kind: "index", id: operationId, record: new Uint8Array() } as const;
  return { seq, term, operationId, body, result: "created", timeMs: 1 };
}

export function replicate(
  previousSeq: number,
  previousTerm: number,
  entries: LogEntry[],
  globalCheckpoint = 0,
): MessageBody {
  return { kind: "replicate", previousSeq, previousTerm, entries, globalCheckpoint };
}

export const WRITE: TimelessEvent = {
  kind: "write",
  entries: [{ operationId: "w", body: { kind: "delete", id: "d" }, result: "deleted" }],
};

export function answers(effects: readonly CopyEffect[]): MessageBody[] {
  return effects.flatMap((effect) => (effect.kind === "send" ? [effect.message.body] : []));
}

export function commits(effects: readonly CopyEffect[]): number[] {
  return effects.flatMap((effect) => (effect.kind === "commit" ? [effect.through] : []));
}

export function requests(effects: readonly CopyEffect[]): string[] {
  return effects.flatMap((effect) =>
    effect.kind === "request" ? [`${effect.action} ${effect.allocationId} ${effect.reason}`] : [],
  );
}

/** Primary of term 1 with B in sync, its no-op committed. */
export function readyPrimary(change: Partial<ShardMap> = {}): Bench {
  const bench = new Bench(emptyCopy(SHARD, A, HISTORY));
  bench.step({ kind: "map", map: map(change) });
  bench.receive(B, 1, { kind: "replicateOk", confirmed: 1, globalCheckpoint: 0 });
  expect(bench.view.ready).toBe(true);
  return bench;
}
