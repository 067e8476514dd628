import type { Reason } from "@prism/api/reason";
import { describe, expect, test } from "vitest";
import {
  changeRecord,
  newShardRecord,
  type AllocationId,
  type HistoryId,
  type NodeId,
  type RecordChange,
  type ShardRecord,
  type ShardUid,
} from "./shard-record.js";

const [A, B] = ["a", "b"] as [AllocationId, AllocationId];
const NODE_B = "node-b" as NodeId;

function changed(record: ShardRecord, change: RecordChange, reason: Reason, nowMs: number): ShardRecord {
  const result = changeRecord(record, change, reason, nowMs);
  if (!result.ok) throw new Error(result.refusal);
  return result.record;
}

/** A is primary, B in sync. */
function settled(): ShardRecord {
  const created = newShardRecord({
    uid: "s" as ShardUid,
    historyId: "h" as HistoryId,
    bootstrap: "",
    copies: [
      { id: A, node: "node-a" as NodeId, zone: "a" },
      { id: B, node: NODE_B, zone: "b" },
    ],
    nowMs: 0,
  });
  return changed(created, { kind: "addInSync", id: B, term: 1 }, "CaughtUp", 0);
}

/** The copy on node B leaves, and a new one there is filled and joins. */
function leaveAndReturn(record: ShardRecord, reason: Reason, nowMs: number): ShardRecord {
  const { id } = record.copies.find(({ node }) => node === NODE_B)!;
  const left = changed(record, { kind: "removeCopy", id, term: 1 }, reason, nowMs);
  const fresh = `b${left.version}` as AllocationId;
  const copy = { id: fresh, node: NODE_B, zone: "b" };
  const filling = changed(left, { kind: "addRecovering", copy }, "CopyAdded", nowMs);
  return changed(filling, { kind: "addInSync", id: fresh, term: 1 }, "CaughtUp", nowMs);
}

function attempts(record: ShardRecord): number | undefined {
  return record.departed.find(({ node }) => node === NODE_B)?.attempts;
}

describe("a node whose copies leave", () => {
  test("as too slow is counted over being in sync between, so that its pauses grow", () => {
    let record = settled();
    for (const expected of [1, 2, 3]) {
      record = leaveAndReturn(record, "TooSlow", expected * 10_000);
      expect(attempts(record)).toBe(expected);
    }
  });

  test("as too slow after a long time of keeping up starts with a clean sheet", () => {
    const record = leaveAndReturn(settled(), "TooSlow", 10_000);
    expect(attempts(leaveAndReturn(record, "TooSlow", 3_600_000))).toBe(1);
  });

  test("for its node's sake is forgotten once a copy is in sync there", () => {
    expect(attempts(leaveAndReturn(settled(), "NodeDead", 10_000))).toBeUndefined();
  });

  test("for its node's sake is not counted with what was too slow before", () => {
    const slow = leaveAndReturn(settled(), "TooSlow", 10_000);
    const { id } = slow.copies.find(({ node }) => node === NODE_B)!;
    const dead = changed(slow, { kind: "removeCopy", id, term: 1 }, "NodeDead", 20_000);
    expect(attempts(dead)).toBe(1);
  });
});

describe("accepted data loss", () => {
  const C = { id: "c" as AllocationId, node: "node-c" as NodeId, zone: "c" };
  const change = {
    kind: "beginHistory",
    copy: C,
    aboveTerm: 7,
    historyId: "next" as HistoryId,
  } as const;

  test("begins a new history in a term above all that was heard of, with the copy alone in the set", () => {
    const before = settled();
    expect(changed(before, change, "DataLossAccepted", 5)).toMatchObject({
      version: before.version + 1,
      term: 8,
      historyId: "next",
      primary: "c",
      inSync: ["c"],
      recovering: [],
      copies: [C],
      lastChange: { reason: "DataLossAccepted", at: 5 },
    });
    const { departed } = changed(before, change, "DataLossAccepted", 5);
    expect(departed.map(({ node }) => node)).toEqual(["node-a", "node-b"]);
  });

  test("is refused for a copy in sync, which is promoted instead, and under the history that is given up", () => {
    const before = settled();
    const inSync = { ...change, copy: { id: B, node: NODE_B, zone: "b" } };
    expect(changeRecord(before, inSync, "DataLossAccepted", 5)).toEqual({ ok: false, refusal: "inSync" });
    const same = { ...change, historyId: "h" as HistoryId };
    expect(changeRecord(before, same, "DataLossAccepted", 5)).toEqual({ ok: false, refusal: "sameHistory" });
  });

  test("takes a copy that was being filled out of that set", () => {
    const filling = changed(settled(), { kind: "addRecovering", copy: C }, "CopyAdded", 1);
    const after = changed(filling, change, "DataLossAccepted", 5);
    expect(after).toMatchObject({ inSync: ["c"], recovering: [], copies: [C] });
  });
});
