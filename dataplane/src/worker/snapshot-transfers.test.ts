import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_LIMITS } from "@prism/api/limits";
import type { ReplicationMessage } from "@prism/proto/gen/node";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ShardStore } from "../adapters/lmdb/shard-store.js";
import type { AllocationId } from "../domain/cluster-map.js";
import type { LogEntry } from "../domain/replication/log-entry.js";
import { CopyData } from "./copy-data.js";
import { newSharedSnapshotBudget, SnapshotBudget, type SnapshotBounds } from "./snapshot-budget.js";
import type { ArrivedSnapshot } from "./snapshot-receiver.js";
import { SnapshotTransfers } from "./snapshot-transfers.js";
import { until } from "./testing/worker-harness.js";

const MiB = 1024 * 1024;
const BOUNDS: SnapshotBounds = { ...DEFAULT_LIMITS, snapshotsOutgoing: 1, snapshotsIncoming: 1 };

/** One side of transfers: what it sends goes to `wire`, a loop that the test turns. */
class Side {
  readonly transfers: SnapshotTransfers;
  readonly arrived: ArrivedSnapshot[] = [];
  readonly ended: string[] = [];
  sentBytes = 0;

  constructor(id: string, store: ShardStore, budget: SnapshotBudget, wire: ReplicationMessage[]) {
    this.transfers = new SnapshotTransfers(store, budget, {
      shardUid: "s1",
      allocationId: id as AllocationId,
      historyId: "h1",
      term: 1,
      flush: () => undefined,
      sendWire: (message) => {
        const documents = message.snapshotChunk?.documents ?? [];
        this.sentBytes += documents.reduce((bytes, { record }) => bytes + record.length, 0);
        wire.push(message);
      },
      snapshotArrived: (snapshot) => {
        this.arrived.push(snapshot);
        if (this.transfers.claim(snapshot.snapshotId) !== undefined) this.transfers.installed(snapshot);
      },
      snapshotSent: (to, snapshotId, ok) => this.ended.push(`${to} ${snapshotId} ${ok}`),
      fail: (error) => {
        throw error;
      },
    });
  }
}

let directory: string;
let stores: ShardStore[] = [];
let wire: ReplicationMessage[] = [];
let sides = new Map<string, Side>();
let nowMs = 1_000_000;

function side(id: string, bounds: SnapshotBounds = BOUNDS, shared = newSharedSnapshotBudget()): Side {
  const options = { sync: false, onDiskFull: () => undefined, onFailure: () => undefined };
  const store = new ShardStore(join(directory, id), options);
  stores.push(store);
  const made = new Side(id, store, new SnapshotBudget(shared, bounds), wire);
  sides.set(id, made);
  return made;
}

/** Delivers what is under way; what a side says of time passes with it. */
function turn(byMs = 0): void {
  nowMs += byMs;
  for (const one of sides.values()) one.transfers.tick(nowMs);
  for (const message of wire.splice(0)) sides.get(message.to)?.transfers.receive(message, nowMs);
}

/** Documents of one MiB each, applied and on disk. */
async function fill(store: ShardStore, documents: number): Promise<void> {
  const identity = { shardUid: "s1", collectionUid: "c1", allocationId: "a", historyId: "h1" };
  const data = CopyData.create(store, { ...identity, identityVersion: 1 }, DEFAULT_LIMITS);
  const entries = Array.from({ length: documents }, (_, i): LogEntry => {
    const body = { kind: "index", id: `d${i}`, record: Buffer.alloc(MiB) } as const;
    return { seq: i + 1, term: 1, operationId: `op${i}`, body, result: "created", timeMs: 1 };
  });
  data.persist({ append: entries, globalCheckpoint: documents }, undefined);
  for (let i = 0; i < documents; i += 1) data.applyNext();
  data.flush();
  await store.durable();
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "prism-snapshots-"));
  stores = [];
  wire = [];
  sides = new Map();
});

afterEach(async () => {
  for (const one of sides.values()) one.transfers.close();
  await Promise.all(stores.map((store) => store.close()));
  rmSync(directory, { recursive: true, force: true });
});

test("a node sends as many snapshots at once as it may, and the next when one is through", async () => {
  const sender = side("a");
  const [b, c] = [side("b"), side("c")];
  await fill(stores[0]!, 2);
  sender.transfers.start("b" as AllocationId, "x1", nowMs);
  sender.transfers.start("c" as AllocationId, "x2", nowMs);
  await until("both are through", () => {
    turn(10);
    expect(c.arrived.length).toBeLessThanOrEqual(b.arrived.length);
    const early = b.arrived.length === 0 ? wire.filter(({ to }) => to === "c") : [];
    expect(early).toEqual([]);
    return sender.ended.length === 2;
  });
  expect(sender.ended).toEqual(["b x1 true", "c x2 true"]);
});

test("a node that takes as many as it may lets others wait, and takes them later", async () => {
  const shared = newSharedSnapshotBudget();
  const [a1, a2] = [side("a1"), side("a2")];
  // Two shards of one node.
  const [b1, b2] = [side("b1", BOUNDS, shared), side("b2", BOUNDS, shared)];
  await Promise.all([fill(stores[0]!, 6), fill(stores[1]!, 6)]);
  a1.transfers.start("b1" as AllocationId, "x1", nowMs);
  a2.transfers.start("b2" as AllocationId, "x2", nowMs);
  let atOnce = 0;
  await until("both are through", () => {
    turn(10);
    atOnce = Math.max(atOnce, Number(b1.transfers.isReceiving) + Number(b2.transfers.isReceiving));
    return a1.ended.length + a2.ended.length === 2;
  });
  expect([...a1.ended, ...a2.ended]).toEqual(["b1 x1 true", "b2 x2 true"]);
  expect(atOnce).toBe(1);
});

test("a snapshot goes no faster than the node may send, and is not taken for silent meanwhile", async () => {
  const sender = side("a", { ...BOUNDS, snapshotBytesPerSecond: MiB });
  side("b");
  await fill(stores[0]!, 20);
  sender.transfers.start("b" as AllocationId, "x1", nowMs);
  const startMs = nowMs;
  await until("it is through", () => {
    turn(20);
    const allowed = ((nowMs - startMs) / 1000 + 0.2) * MiB + MiB;
    expect(sender.sentBytes).toBeLessThanOrEqual(allowed);
    return sender.ended.length === 1;
  });
  expect(sender.ended).toEqual(["b x1 true"]);
  expect(nowMs - startMs).toBeGreaterThanOrEqual(18_000);
});
