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
