import { parseCluster } from "@prism/api/cluster";
import { parseCollectionSpec } from "@prism/api/collection";
import { expect, test } from "vitest";
import { MapLedger } from "./map-ledger.js";
import type { MapSource } from "./map-of-cluster.js";

const SHARDS = 10_000;
const SHARDS_PER_COLLECTION = 100;
const UUID = "00000000-0000-4000-8000-";

function uuid(number: number): string {
  return UUID + String(number).padStart(12, "0");
}

function largeCluster(): MapSource {
  const { spec } = parseCluster({
    apiVersion: "prism.dev/v1alpha1",
    kind: "PrismCluster",
    metadata: { name: "demo" },
    spec: { version: "0.1.0", nodes: 30 },
  });
  const fields = [
    { name: "title", type: "text" },
    { name: "embedding", type: "vector", dimensions: 512 },
  ];
  const collections = Array.from({ length: SHARDS / SHARDS_PER_COLLECTION }, (_, i) => ({
    uid: uuid(i),
    generation: 1,
    spec: {
      ...parseCollectionSpec({ fields, shards: SHARDS_PER_COLLECTION }, spec, { name: `collection-${i}` }),
      clusterRef: { name: "demo" },
    },
  }));
  const shards = Array.from({ length: SHARDS }, (_, i) => {
    const copies = ["a", "b", "c"].map((zone, k) => ({
      id: `${i}.${zone}.abcdefghijkl`,
      node: uuid((3 * i + k) % 30),
      zone,
    }));
    const inSync = copies.map((copy) => copy.id);
    const collection = Math.floor(i / SHARDS_PER_COLLECTION);
    return {
      uid: uuid(i),
      spec: {
        clusterRef: { name: "demo" },
        collection: `collection-${collection}`,
        collectionUid: uuid(collection),
        number: i % SHARDS_PER_COLLECTION,
        clusterId: "c",
        bootstrap: "",
      },
      status: {
        version: 4,
        term: 2,
        historyId: uuid(i),
        primary: inSync[0]!,
        inSync,
        recovering: [],
        copies,
        departed: [],
        lastChange: { reason: "CaughtUp" as const, at: 1 },
      },
    };
  });
  const identity = { clusterId: "c", clusterName: "demo", leaderEpoch: 1, revision: 1 };
  return { ...identity, settings: spec, nodes: [], collections, shards, deletedCollections: [] };
}

test("a map costs about 400 bytes for each shard of three copies, so one of 10,000 fits a frame", () => {
  const ledger = new MapLedger();
  ledger.take(largeCluster());
  const bytes = ledger.whole().length;
  expect(bytes / SHARDS).toBeGreaterThan(250);
  expect(bytes / SHARDS).toBeLessThan(450);
});
