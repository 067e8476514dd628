import { describe, expect, it } from "vitest";
import { newSharedSnapshotBudget, SnapshotBudget, type SnapshotBounds } from "./snapshot-budget.js";

const MiB = 1024 * 1024;
const BOUNDS: SnapshotBounds = {
  snapshotBytesPerSecond: 10 * MiB,
  snapshotsOutgoing: 2,
  snapshotsIncoming: 1,
};

describe("the snapshot budget of a node", () => {
  it("counts what all its workers send and take", () => {
    const shared = newSharedSnapshotBudget();
    const [one, other] = [new SnapshotBudget(shared, BOUNDS), new SnapshotBudget(shared, BOUNDS)];
    expect([one.enter("outgoing"), other.enter("outgoing"), one.enter("outgoing")]).toEqual([
      true,
      true,
      false,
    ]);
    expect([other.enter("incoming"), one.enter("incoming")]).toEqual([true, false]);
    other.leave("outgoing");
    expect(one.enter("outgoing")).toBe(true);
  });

  it("holds all workers together to its rate", () => {
    const shared = newSharedSnapshotBudget();
    const senders = [new SnapshotBudget(shared, BOUNDS), new SnapshotBudget(shared, BOUNDS)];
    let sent = 0;
    for (let nowMs = 1_000_000; nowMs < 1_010_000; nowMs += 10) {
      for (const sender of senders) {
        while (sender.maySend(nowMs)) {
          sender.sent(MiB, nowMs);
          sent += MiB;
        }
      }
    }
    // Ten seconds, what may be sent ahead, and the chunk each that is under way.
    expect(sent).toBeGreaterThanOrEqual(100 * MiB);
    expect(sent).toBeLessThanOrEqual((10 * 10.2 + 2) * MiB);
  });

  it("saves nothing up while nothing is sent", () => {
    const budget = new SnapshotBudget(newSharedSnapshotBudget(), BOUNDS);
    let sent = 0;
    while (budget.maySend(5_000_000)) {
      budget.sent(MiB, 5_000_000);
      sent += 1;
    }
    expect(sent).toBeLessThanOrEqual(3);
  });
});
