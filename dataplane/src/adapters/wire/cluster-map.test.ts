import { ClusterMap as WireClusterMap } from "@prism/proto/gen/node";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseClusterSettings } from "@prism/api/cluster";
import type { CollectionSpec } from "@prism/api/collection";
import type { AllocationId, ClusterMap, HistoryId, NodeId, ShardUid } from "../../domain/cluster-map.js";
import { clusterMap } from "../../testing/cluster-map-builder.js";
import { fromWireMap, toWireMap } from "./cluster-map.js";

const word = fc.string({ unit: "grapheme", maxLength: 8 });
const count = fc.maxSafeNat();
const words = <T extends string>() => fc.array(word as fc.Arbitrary<T>, { maxLength: 3 });

const node = fc.record({
  id: word as fc.Arbitrary<NodeId>,
  name: word,
  peerAddress: word,
  httpUrl: word,
  zone: word,
  rack: word,
  region: word,
  attributes: fc.dictionary(
    word.filter((key) => key !== "__proto__"),
    word,
    { noNullPrototype: true },
  ),
  state: fc.constantFrom("alive" as const, "suspect" as const, "dead" as const),
  bootId: word,
});
const anyShard = fc.record({
  uid: word as fc.Arbitrary<ShardUid>,
  collectionUid: word,
  number: fc.nat(1000),
  version: count,
  term: count,
  historyId: word as fc.Arbitrary<HistoryId>,
  primary: word as fc.Arbitrary<AllocationId>,
  inSync: words<AllocationId>(),
  recovering: words<AllocationId>(),
  copies: fc.array(
    fc.record({ id: word as fc.Arbitrary<AllocationId>, node: word as fc.Arbitrary<NodeId>, zone: word }),
    { maxLength: 3 },
  ),
  bootstrap: word,
});
/** With all that a record always has. */
const shard = anyShard.map((any) => ({
  ...any,
  uid: `u${any.uid}` as ShardUid,
  historyId: `h${any.historyId}` as HistoryId,
  version: Math.max(1, any.version),
  term: Math.max(1, any.term),
  inSync: [any.primary, ...any.inSync],
  recovering: any.recovering.filter((id) => id !== any.primary && !any.inSync.includes(id)),
}));
const map: fc.Arbitrary<ClusterMap> = fc.record({
  clusterId: word,
  clusterName: word,
  revision: count,
  leaderEpoch: count,
  settings: fc.integer({ min: 2, max: 9 }).map((nodes) => parseClusterSettings({ version: "0.1.0", nodes })),
  nodes: fc.array(node, { maxLength: 4 }),
  collections: fc.array(
    fc.record({
      uid: word,
      name: word,
      spec: fc.json().map((text) => JSON.parse(text) as CollectionSpec),
      generation: count,
    }),
    { maxLength: 3 },
  ),
  shards: fc.array(shard, { maxLength: 4 }),
  deletedCollections: fc.array(word, { maxLength: 3 }),
});

describe("the cluster map", () => {
  test("comes back from the wire as it went", () => {
    fc.assert(
      fc.property(map, (original) => {
        const bytes = WireClusterMap.encode(toWireMap(original));
        expect(fromWireMap(WireClusterMap.decode(bytes))).toEqual(original);
      }),
    );
  });

  test("lacks a shard whose record is not whole: it is unknown, not empty", () => {
    const whole = fc.sample(shard, 1)[0]!;
    const broken = [
      { version: 0 },
      { term: 0 },
      { historyId: "" as HistoryId },
      { inSync: [] },
      { recovering: [whole.primary] },
    ].map((change, i) => ({ ...whole, uid: `u${i}` as ShardUid, ...change }));
    const wire = toWireMap({ ...clusterMap({}), shards: [...broken, whole] });
    expect(fromWireMap(wire).shards).toEqual([whole]);
  });

  test("has the defaults of settings that an older control plane does not send", () => {
    const { slowReplicaTimeoutMs: _, ...health } = parseClusterSettings({ version: "0.1.0" }).health;
    const settingsJson = Buffer.from(JSON.stringify({ health }));
    const { settings } = fromWireMap({ ...toWireMap(clusterMap({})), settingsJson });
    expect(settings.health.slowReplicaTimeoutMs).toBe(3000);
  });

  test("is refused when a node's state is unknown or its settings are no JSON", () => {
    const wire = toWireMap(clusterMap({ nodes: [{ id: "n1" as NodeId }] }));
    const [first] = wire.nodes;
    if (first === undefined) throw new Error("the map has a node");
    expect(() => fromWireMap({ ...wire, nodes: [{ ...first, state: "asleep" }] })).toThrow(/asleep/);
    expect(() => fromWireMap({ ...wire, settingsJson: Buffer.from("{") })).toThrow(SyntaxError);
  });
});
