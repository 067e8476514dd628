import { randomBytes } from "node:crypto";
import { decodeFrame } from "@prism/proto/deflated-frame";
import type { ControlFrame } from "@prism/proto/gen/node";
import { parseClusterSettings } from "@prism/api/cluster";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { MapLedger } from "../domain/map-ledger.js";
import type { MapSource } from "../domain/map-of-cluster.js";
import { MapDeliveries } from "./map-deliveries.js";
import type { NodeFleet } from "./node-fleet.js";

const MIB = 1024 * 1024;

/** A map of about `bytes`, with one node whose zone does not become shorter by deflating. */
function sourceOf(revision: number, bytes: number): MapSource {
  const zone = randomBytes(Math.floor((3 * bytes) / 4)).toString("base64");
  const spec = { zone, region: "", rack: "", attributes: {} };
  const status = { nodeId: "id", bootId: "", peerAddress: "", httpUrl: "", adminUrl: "" };
  return {
    clusterId: "c",
    clusterName: "demo",
    leaderEpoch: 1,
    revision,
    settings: parseClusterSettings({ version: "0.1.0" }),
    nodes: [{ name: "n", spec, status, state: "alive", exited: false }],
    collections: [],
    shards: [],
    deletedCollections: [],
  };
}

class Nodes {
  readonly ledger = new MapLedger();
  readonly sent = new Map<string, ControlFrame[]>();
  readonly deliveries: MapDeliveries;
  revision = 0;

  constructor(count: number, takesDeltas = true) {
    const nodes = Array.from({ length: count }, (_, i) => {
      const name = `n${i}`;
      const frames: ControlFrame[] = [];
      this.sent.set(name, frames);
      const sendEncoded = (bytes: Uint8Array): void => void frames.push(decodeFrame(bytes));
      const report = { mapRevision: 0 };
      return { name, hello: { takesDeltas }, report, connection: { isOpen: true, sendEncoded } };
    });
    const fleet = {
      all: () => nodes.values(),
      get: (name: string) => nodes.find((node) => node.name === name),
      health: () => ({ state: "alive" }),
    } as unknown as NodeFleet;
    this.deliveries = new MapDeliveries({ fleet, ledger: this.ledger, revision: () => this.revision });
    for (const { name } of nodes) this.deliveries.opened(name);
  }

  publish(bytes: number): void {
    this.revision += 1;
    this.ledger.take(sourceOf(this.revision, bytes));
    this.deliveries.deliverAll();
  }

  confirm(name: string, needsWhole = false): void {
    this.deliveries.confirmed(name, { revision: this.revision, needsWhole });
  }

  counts(): number[] {
    return [...this.sent.values()].map((frames) => frames.length);
  }
}

let nodes: Nodes;

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  nodes.deliveries.stop();
  vi.useRealTimers();
});

test("a node that has much on the way gets nothing more before it confirms, and then all changes in one", () => {
  nodes = new Nodes(1);
  nodes.publish(MIB);
  nodes.publish(MIB);
  nodes.publish(MIB);
  expect(nodes.counts()).toEqual([1]);
  nodes.deliveries.confirmed("n0", { revision: 1, needsWhole: false });
  expect(nodes.counts()).toEqual([2]);
  expect(nodes.sent.get("n0")![1]!.mapDelta).toMatchObject({ baseRevision: 1, changed: { revision: 3 } });
});

test("small changes go out at once, without waiting for what is confirmed", () => {
  nodes = new Nodes(2);
  for (let i = 0; i < 5; i += 1) nodes.publish(100);
  expect(nodes.counts()).toEqual([5, 5]);
});

test("maps for many nodes go out a few at a time, and who is silent holds up the others for a second", () => {
  nodes = new Nodes(40);
  nodes.publish(4 * MIB);
  const first = nodes.counts().filter((count) => count === 1).length;
  expect(first).toBeGreaterThan(4);
  expect(first).toBeLessThanOrEqual(22);
  nodes.confirm("n0");
  expect(nodes.counts().filter((count) => count === 1).length).toBe(first + 1);
  vi.advanceTimersByTime(3000);
  expect(nodes.counts().every((count) => count === 1)).toBe(true);
});

test("a node that has no base, and one that reports an older map for long, are sent the whole", () => {
  nodes = new Nodes(1);
  nodes.publish(100);
  nodes.publish(100);
  nodes.confirm("n0", true);
  const kinds = (): string[] => nodes.sent.get("n0")!.map(({ map }) => (map ? "whole" : "delta"));
  expect(kinds()).toEqual(["whole", "delta", "whole"]);
  vi.advanceTimersByTime(10_000);
  expect(kinds().slice(3, 4)).toEqual(["whole"]);
});

test("a node that does not take deltas is sent whole maps", () => {
  nodes = new Nodes(1, false);
  nodes.publish(100);
  nodes.publish(100);
  expect(nodes.sent.get("n0")!.every(({ map }) => map !== undefined)).toBe(true);
});

test("who waits for a node's map hears when it was sent", async () => {
  nodes = new Nodes(1);
  nodes.publish(MIB);
  nodes.publish(100);
  let isSent = false;
  const sent = nodes.deliveries.whenSent("n0", 2).then(() => (isSent = true));
  await Promise.resolve();
  expect(isSent).toBe(false);
  nodes.deliveries.confirmed("n0", { revision: 1, needsWhole: false });
  await sent;
  expect(isSent).toBe(true);
});
