import { beforeEach, describe, expect, it } from "vitest";
import type { CopyMessage } from "@prism/dataplane/domain/replication/event";
import type { LogEntry } from "@prism/dataplane/domain/replication/log-entry";
import type { ShardRecord } from "@prism/operator/domain/shard-record";
import { DiskCopies } from "./disk-copies.js";
import { DocumentHistories } from "./linearizability.js";
import type { MemoryCopy } from "./memory-copy.js";
import { ShardChecker } from "./shard-checker.js";
import { InvariantViolation } from "./violation.js";

const SHARD = "shard";

function entry(seq: number, term = 1, operationId = `op${seq}`): LogEntry {
  const body = { kind: "index", id: "d", record: new Uint8Array() } as const;
  return { seq, term, operationId, body, result: "created", timeMs: 1 };
}

function log(length: number, term = 1): LogEntry[] {
  return Array.from({ length }, (_unused, i) => entry(i + 1, term));
}

interface FakeCopy {
  readonly copy: MemoryCopy;
  readonly state: { role: "primary" | "replica"; term: number; waitedFor: string[]; historyId: string };
}

/** A copy as the checker sees it, without a machine behind it. */
function fakeCopy(node: string, allocationId: string, entries: LogEntry[], checkpoint = 0): FakeCopy {
  const state: FakeCopy["state"] = { role: "replica", term: 1, waitedFor: [], historyId: "first" };
  const copy = {
    node: { name: node, bootId: `boot of ${node}` },
    allocationId,
    baseSeq: 0,
    matched: 0,
    checkpoint,
    entries,
    get lastSeq() {
      return entries.length;
    },
    get machine() {
      return { ...state, waitedFor: () => new Set(state.waitedFor) };
    },
    at: (seq: number) => entries[seq - 1],
  };
  return { copy: copy as unknown as MemoryCopy, state };
}

function record(change: Partial<Record<keyof ShardRecord, unknown>> = {}): ShardRecord {
  const copies = ["a", "b"].map((id) => ({ id, node: `node-${id}`, zone: id }));
  return {
    uid: SHARD,
    version: 1,
    term: 1,
    historyId: "first",
    primary: "a",
    inSync: ["a", "b"],
    recovering: [],
    copies,
    departed: [],
    lastChange: { reason: "CaughtUp", at: 0 },
    ...change,
  } as unknown as ShardRecord;
}

/** A disk that holds a copy and so much of a log. */
function disk(allocationId: string, entries: LogEntry[], historyId = "first"): DiskCopies {
  const copies = new DiskCopies();
  const stored = { allocationId, lastSeq: entries.length, appliedSeq: 0, globalCheckpoint: 0, historyId };
  const snapshot = { baseSeq: 0, entries, length: entries.length, keptThrough: Infinity };
  const value = Buffer.from(JSON.stringify(stored));
  copies.apply([{ table: "meta", key: `shard/${SHARD}`, value }], new Map([[SHARD, snapshot]]));
  return copies;
}

let disks: Map<string, DiskCopies>;
let copies: MemoryCopy[];
let lost: Set<string>;
let shard: ShardChecker;

beforeEach(() => {
  disks = new Map();
  copies = [];
  lost = new Set();
  shard = new ShardChecker(SHARD, {
    disk: (node) => disks.get(node),
    isLost: (id) => lost.has(id),
    copies: () => copies,
    domainOf: (node) => node,
  });
});

function broken(act: () => void): string {
  try {
    act();
  } catch (error) {
    if (error instanceof InvariantViolation) return error.invariant;
    throw error;
  }
  return "nothing";
}

/** `length` entries are committed, as the primary "a" on its node sees it. */
function commit(length: number): FakeCopy {
  const primary = fakeCopy("node-a", "a", log(length), length);
  primary.state.role = "primary";
  copies = [primary.copy];
  shard.committed(primary.copy);
  return primary;
}

const CONFIRMATION = { term: 1 } as CopyMessage;

describe("the checker catches", () => {
  it("an acknowledged write that a member of the in-sync set does not have on disk", () => {
    const { copy } = commit(3);
    shard.recordStored(record());
    shard.acked("op3", 3, 1, copy, 0);
    disks.set("node-a", disk("a", log(3)));
    disks.set("node-b", disk("b", log(3)));
    expect(broken(() => shard.checkDisks())).toBe("nothing");
    disks.set("node-b", disk("b", log(2)));
    expect(broken(() => shard.checkDisks())).toBe("AllAckedResponsesStored");
    disks.set("node-b", disk("b", [...log(2), entry(3, 2, "another")]));
    expect(broken(() => shard.checkDisks())).toBe("AllAckedResponsesStored");
  });

  it("a member that is not on its disk at all, unless the disk itself is gone", () => {
    const { copy } = commit(1);
    shard.recordStored(record());
    shard.acked("op1", 1, 1, copy, 0);
    disks.set("node-a", disk("a", log(1)));
    disks.set("node-b", disk("older", log(1)));
    expect(broken(() => shard.checkDisks())).toBe("AllAckedResponsesStored");
    lost.add("b");
    expect(broken(() => shard.checkDisks())).toBe("nothing");
  });

  it("an acknowledgement of what is not committed", () => {
    const { copy } = commit(2);
    expect(broken(() => shard.acked("op3", 3, 1, copy, 0))).toBe("AllAckedResponsesStored");
    expect(broken(() => shard.acked("op3", 2, 1, copy, 0))).toBe("AllAckedResponsesStored");
  });

  it("a log that differs from the committed history, or has a hole in it", () => {
    commit(3);
    const other = fakeCopy("node-b", "b", [entry(1), entry(2, 2, "another"), entry(3)], 3);
    expect(broken(() => shard.committed(other.copy))).toBe("SameLogUpToGlobalCheckpoint");
    expect(broken(() => shard.committed(fakeCopy("node-c", "c", log(2), 3).copy))).toBe(
      "SameLogUpToGlobalCheckpoint",
    );
  });

  it("a checkpoint above what a member has on disk", () => {
    commit(3);
    shard.recordStored(record());
    disks.set("node-a", disk("a", log(3)));
    disks.set("node-b", disk("b", log(2)));
    expect(broken(() => shard.checkDisks())).toBe("GlobalCheckpointBelowLocalCheckpoints");
  });

  it("a confirmation of what the primary of the term does not have", () => {
    const primary = fakeCopy("node-a", "a", [entry(1), entry(2, 1, "its own")]);
    primary.state.role = "primary";
    copies = [primary.copy];
    const replica = fakeCopy("node-b", "b", log(2));
    expect(broken(() => shard.confirmed(replica.copy, CONFIRMATION, 1))).toBe("nothing");
    expect(broken(() => shard.confirmed(replica.copy, CONFIRMATION, 2))).toBe(
      "LocalCheckpointMatchesMaxConfirmedSeq",
    );
    expect(broken(() => shard.confirmed(replica.copy, { ...CONFIRMATION, term: 2 }, 2))).toBe("nothing");
    expect(broken(() => shard.confirmed(replica.copy, CONFIRMATION, 3))).toBe(
      "LocalCheckpointMatchesMaxConfirmedSeq",
    );
  });

  it("two copies that acknowledge in one term", () => {
    const { copy } = commit(2);
    shard.acked("op1", 1, 1, copy, 0);
    expect(broken(() => shard.acked("op2", 2, 1, fakeCopy("node-b", "b", []).copy, 0))).toBe(
      "AtMostOneAckingPrimaryPerTerm",
    );
  });

  it("a stored set without its primary, and a copy in both sets", () => {
    expect(broken(() => shard.recordStored(record({ inSync: ["b"] })))).toBe("InSyncNeverEmpty");
    expect(broken(() => shard.recordStored(record({ recovering: ["b"] })))).toBe("InSyncNeverEmpty");
  });

  it("two copies in one domain", () => {
    const places = ["a", "b"].map((id) => ({ id, node: "node-a", zone: "a" }));
    expect(broken(() => shard.recordStored(record({ copies: places })))).toBe("NoTwoCopiesInOneDomain");
  });

  it("a primary that does not wait for a stored member", () => {
    const primary = commit(1);
    shard.recordStored(record());
    primary.state.waitedFor = ["a", "b"];
    expect(broken(() => shard.checkWaits())).toBe("nothing");
    primary.state.waitedFor = ["a"];
    expect(broken(() => shard.checkWaits())).toBe("PrimaryWaitsForStoredSet");
  });

  it("an operation that is committed twice, or was called not executed", () => {
    const twice = fakeCopy("node-a", "a", [entry(1, 1, "x#1"), entry(2, 1, "x#1")], 2);
    expect(broken(() => shard.committed(twice.copy))).toBe("ExactlyOnce");
    expect(broken(() => shard.refused("x"))).toBe("ExactlyOnce");
  });

  it("documents on disk above the checkpoint on disk", () => {
    const stored = { appliedSeq: 5, globalCheckpoint: 4 } as Parameters<ShardChecker["checkApplied"]>[1];
    expect(broken(() => shard.checkApplied("node-a", stored))).toBe("AppliedBelowCheckpoint");
  });

  it("a change that was made from a record which had been put back", () => {
    shard.recordStored(record({ version: 5 }));
    shard.recordPutBack(3);
    expect(broken(() => shard.recordStored(record({ version: 3 })))).toBe("nothing");
    expect(broken(() => shard.recordStored(record({ version: 4 })))).toBe("NoActionOnOlderRecord");
    const lastChange = { reason: "ShardRecordRebuilt", at: 0 };
    expect(broken(() => shard.recordStored(record({ version: 4, lastChange })))).toBe(
      "NoActionOnOlderRecord",
    );
    expect(broken(() => shard.recordStored(record({ version: 99, term: 2, lastChange })))).toBe("nothing");
    expect(shard.isPutBack).toBe(false);
  });

  it("two writes of one document's version under two ids", () => {
    const body = (by: string) =>
      ({ kind: "index", id: "d", record: Buffer.from(JSON.stringify({ by })) }) as const;
    const entries = [1, 2].map((seq) => ({ ...entry(seq), body: body("client-1") }));
    expect(broken(() => shard.committed(fakeCopy("node-a", "a", entries, 2).copy))).toBe("ExactlyOnce");
  });

  it("a strong read that shows less than one which had ended before", () => {
    const histories = new DocumentHistories();
    const [write, during] = [histories.begin("d"), histories.begin("d")];
    histories.end(write, 7, "write");
    expect(broken(() => histories.end(during, 6, "read"))).toBe("nothing");
    expect(broken(() => histories.end(histories.begin("d"), 6, "read"))).toBe("Linearizable");
  });
});

describe("after a forced reset", () => {
  const resetTo = (id: string): ShardRecord =>
    record({ version: 2, term: 3, primary: id, inSync: [id], historyId: "second" });

  /** "a" has acknowledged three entries, of which "b" has so many on its disk; "b" is gone on with. */
  function reset(onDisk: number): void {
    shard.recordStored(record());
    const primary = fakeCopy("node-a", "a", log(3), 3);
    copies = [primary.copy];
    shard.committed(primary.copy);
    shard.acked("op3", 3, 1, primary.copy, 0);
    disks.set("node-b", disk("b", log(onDisk)));
    shard.recordStored(resetTo("b"));
  }

  function leader(entries: LogEntry[], ready = true): MemoryCopy {
    const { copy, state } = fakeCopy("node-b", "b", entries, entries.length);
    Object.assign(state, { role: "primary", term: 3, historyId: "second", ready });
    copies = [copy];
    return copy;
  }

  it("what only the lost copies had may be missing, and something else may take its numbers", () => {
    reset(2);
    expect(shard.present.ackedSeq).toBe(2);
    const entries = [...log(2), entry(3, 3, "new")];
    disks.set("node-b", disk("b", entries, "second"));
    expect(broken(() => shard.committed(leader(entries)))).toBe("nothing");
    expect(shard.history.at(3)?.operationId).toBe("new");
    expect(broken(() => shard.checkDisks())).toBe("nothing");
  });

  it("the checker catches what the chosen copy had on disk, and the new history has not", () => {
    reset(2);
    const other = leader([entry(1), entry(2, 2, "another"), entry(3, 3)]);
    expect(broken(() => shard.committed(other))).toBe("SameLogUpToGlobalCheckpoint");
    disks.set("node-b", disk("b", log(1), "second"));
    expect(broken(() => shard.checkDisks())).toBe("AllAckedResponsesStored");
  });

  it("nothing counts before its first commit: a crash may take what was in memory alone", () => {
    reset(2);
    expect(broken(() => shard.committed(leader(log(3), false)))).toBe("nothing");
    expect(shard.history.lastSeq).toBe(2);
    const answers = (): void => shard.acked("op3", 3, 1, leader(log(3), false), 1);
    expect(broken(answers)).toBe("AllAckedResponsesStored");
  });
});
