/**
 * Whatever is lost, doubled or overtaken on the way, and whoever starts anew: a node goes by a map that was made, as
 * a whole, and in the end by the newest.
 */
import type { MapDelta } from "@prism/dataplane/domain/map-delta";
import type { NodeId } from "@prism/dataplane/domain/cluster-map";
import { ControlEndpoint } from "@prism/dataplane/adapters/grpc/control-endpoint";
import { fromWireMap, toWireMap } from "@prism/dataplane/adapters/wire/cluster-map";
import { CurrentMap } from "@prism/dataplane/services/current-map";
import { MapDeliveries } from "@prism/operator/control/map-deliveries";
import type { NodeFleet } from "@prism/operator/control/node-fleet";
import { MapLedger } from "@prism/operator/domain/map-ledger";
import type { MapSource } from "@prism/operator/domain/map-of-cluster";
import { plainMap } from "@prism/operator/domain/testing/plain-map";
import { parseClusterSettings } from "@prism/api/cluster";
import { parseCollectionSpec } from "@prism/api/collection";
import { decodeFrame } from "@prism/proto/deflated-frame";
import { ClusterMap, ControlFrame, type NodeHello } from "@prism/proto/gen/node";
import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { FrameDuplex } from "./frame-duplex.js";
import { SILENT_LOG } from "./silent-log.js";

const SETTINGS = parseClusterSettings({ version: "0.1.0" });
const HELLO: NodeHello = {
  clusterId: "c",
  nodeId: "n",
  bootId: "b",
  name: "n",
  version: "0.1.0",
  format: 1,
  peerAddress: "",
  httpUrl: "",
  adminUrl: "",
  workers: 1,
  takesDeltas: true,
};

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What the objects say; each change replaces what it changes, as the store's objects are replaced. */
class Objects {
  readonly source: Mutable<MapSource>;
  #next = 1;

  constructor(leaderEpoch: number, revision: number) {
    const identity = { clusterId: "c", clusterName: "demo", leaderEpoch, revision };
    this.source = {
      ...identity,
      settings: SETTINGS,
      nodes: [],
      collections: [],
      shards: [],
      deletedCollections: [],
    };
  }

  change({ what, which }: Change): void {
    const { source } = this;
    switch (what) {
      case "node":
        return this.#putNode(which);
      case "nodeGone":
        source.nodes = source.nodes.filter(({ name }) => name !== `n${which}`);
        return undefined;
      case "collection":
        return this.#putCollection(which);
      case "collectionGone":
        source.collections = source.collections.filter(({ uid }) => uid !== `c${which}`);
        source.deletedCollections = [...source.deletedCollections, `c${which}`].slice(-3);
        return undefined;
      case "shard":
        return this.#putShard(which);
      case "shardGone":
        source.shards = source.shards.filter(({ uid }) => uid !== `s${which}`);
        return undefined;
      case "settings":
        source.settings = { ...SETTINGS, nodes: (this.#next += 1) };
    }
  }

  #putNode(which: number): void {
    const name = `n${which}`;
    const spec = { zone: "a", region: "", rack: "", attributes: {} };
    const bootId = String((this.#next += 1));
    const status = { nodeId: `id-${name}`, bootId, peerAddress: "", httpUrl: "", adminUrl: "" };
    const node = { name, spec, status, state: "alive" as const, exited: false };
    this.source.nodes = [...this.source.nodes.filter((one) => one.name !== name), node];
  }

  #putCollection(which: number): void {
    const uid = `c${which}`;
    const fields = [{ name: "title", type: "text" }];
    const parsed = parseCollectionSpec({ fields, shards: 2 }, SETTINGS, { name: `name-${which}` });
    const spec = { ...parsed, clusterRef: { name: "demo" } };
    const collection = { uid, generation: (this.#next += 1), spec };
    this.source.collections = [...this.source.collections.filter((one) => one.uid !== uid), collection];
  }

  /** Every fifth lacks what a record always has. */
  #putShard(which: number): void {
    const uid = `s${which}`;
    const version = (this.#next += 1);
    const historyId = version % 5 === 0 ? "" : "h";
    const spec = {
      clusterRef: { name: "demo" },
      collection: `name-${which % 3}`,
      collectionUid: `c${which % 3}`,
      number: which,
      clusterId: "c",
      bootstrap: "",
    };
    const status = {
      version,
      term: 1,
      historyId,
      primary: "a",
      inSync: ["a"],
      recovering: [],
      copies: [{ id: "a", node: "id-n1", zone: "a" }],
      departed: [],
      lastChange: { reason: "CaughtUp" as const, at: 1 },
    };
    this.source.shards = [...this.source.shards.filter((one) => one.uid !== uid), { uid, spec, status }];
  }
}

/** Maps as they compare: order of nodes, shards and collections means nothing. */
function canonical(map: ReturnType<typeof fromWireMap>): unknown {
  const byKey = <T>(list: readonly T[], key: (one: T) => string): T[] =>
    [...list].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  const { clusterId, clusterName, revision, leaderEpoch, settings, deletedCollections } = map;
  return {
    identity: [clusterId, clusterName, leaderEpoch, revision],
    settings,
    deletedCollections,
    nodes: byKey(map.nodes, ({ id }) => id),
    collections: byKey(map.collections, ({ uid }) => uid),
    shards: byKey(map.shards, ({ uid }) => uid),
  };
}

type MakeMaps = () => CurrentMap;

/** One node, and the control planes that send it maps, one after the other. */
class Line {
  readonly #makeMaps: MakeMaps;
  /** Every map that was made, as one that was sent as a whole would be read. */
  readonly #made: string[] = [];
  readonly counts = { wholes: 0, deltas: 0 };
  #maps: CurrentMap;
  #endpoint: ControlEndpoint;
  #saved: ReturnType<typeof fromWireMap> | undefined;
  #duplex: FrameDuplex | undefined;
  #toNode: Uint8Array[] = [];
  #toPlane: Uint8Array[] = [];
  #objects: Objects;
  #ledger = new MapLedger();
  #deliveries: MapDeliveries;

  constructor(makeMaps: MakeMaps) {
    this.#makeMaps = makeMaps;
    this.#maps = makeMaps();
    this.#endpoint = this.#makeEndpoint();
    this.#objects = new Objects(1, 0);
    this.#deliveries = this.#makeDeliveries();
    this.connect();
  }

  change(changes: readonly Change[]): void {
    for (const change of changes) this.#objects.change(change);
    this.#objects.source.revision += 1;
    this.#ledger.take(this.#objects.source);
    this.#made.push(JSON.stringify(canonical(fromWireMap(plainMap(this.#objects.source)))));
    this.#deliveries.deliverAll();
  }

  /** The stream breaks, with everything on it, and there is a new one. */
  connect(): void {
    this.#duplex?.closed();
    this.#toNode = [];
    this.#toPlane = [];
    this.#duplex = new FrameDuplex(
      (bytes) => this.#toPlane.push(bytes),
      () => undefined,
    );
    this.#endpoint.accept(this.#duplex as unknown as Parameters<ControlEndpoint["accept"]>[0]);
    const { clusterId, clusterName, leaderEpoch } = this.#objects.source;
    this.#duplex.receive(frameOf({ hello: { clusterId, clusterName, leaderEpoch } }));
    this.#toPlane = [];
    this.#deliveries.opened("n");
    if (this.#objects.source.revision > 0) this.#deliveries.deliver("n");
  }

  /** The node starts again, with the map that it had saved at some time. */
  restart(): void {
    this.#endpoint.close();
    this.#maps = this.#makeMaps();
    if (this.#saved) this.#maps.offer(this.#saved);
    this.#endpoint = this.#makeEndpoint();
    this.connect();
  }

  save(): void {
    const map = this.#maps.map();
    this.#saved = map && fromWireMap(ClusterMap.decode(ClusterMap.encode(toWireMap(map))));
  }

  /** Another control plane, from the objects as they are, or with the store put back to the very beginning. */
  takeOver(isPutBack: boolean): void {
    const { source } = this.#objects;
    const objects = new Objects(isPutBack ? source.leaderEpoch : source.leaderEpoch + 1, 0);
    if (!isPutBack) Object.assign(objects.source, { ...source, ...objects.source, ...pick(source) });
    this.#deliveries.stop();
    this.#objects = objects;
    this.#ledger = new MapLedger();
    this.#deliveries = this.#makeDeliveries();
    this.connect();
  }

  toNode(fate: Fate): void {
    this.#pass(this.#toNode, fate, (frame) => this.#duplex?.receive(Buffer.from(frame)));
    const map = this.#maps.map();
    if (map === undefined) return;
    if (!this.#made.includes(JSON.stringify(canonical(map))))
      throw new Error(`the node goes by a map ${map.leaderEpoch}.${map.revision} that was never made`);
  }

  toPlane(fate: Fate): void {
    this.#pass(this.#toPlane, fate, (frame) => {
      const { mapApplied } = ControlFrame.decode(frame);
      if (mapApplied) this.#deliveries.confirmed("n", mapApplied);
    });
  }

  settle(): void {
    for (let i = 0; i < 1000 && this.#toNode.length + this.#toPlane.length > 0; i += 1) {
      this.toNode("arrives");
      this.toPlane("arrives");
    }
    if (this.#toNode.length + this.#toPlane.length > 0)
      throw new Error("maps and confirmations without an end");
  }

  /** Throws unless the node goes by the newest map. */
  expectNewest(): void {
    const { leaderEpoch, revision } = this.#objects.source;
    const map = this.#maps.map();
    if (map?.leaderEpoch !== leaderEpoch || map.revision !== revision)
      throw new Error(
        `the node is at ${map?.leaderEpoch}.${map?.revision}, not at ${leaderEpoch}.${revision}`,
      );
    if (JSON.stringify(canonical(map)) !== this.#made.at(-1)) throw new Error("the newest map is another");
  }

  stop(): void {
    this.#deliveries.stop();
    this.#endpoint.close();
  }

  #pass(queue: Uint8Array[], fate: Fate, arrive: (frame: Uint8Array) => void): void {
    const frame = fate === "overtakes" ? queue.pop() : queue.shift();
    if (frame === undefined) return;
    if (fate === "doubled") queue.push(frame);
    if (fate !== "lost") arrive(frame);
  }

  #makeEndpoint(): ControlEndpoint {
    return new ControlEndpoint({
      nodeHello: () => HELLO,
      nodeReport: () => {
        throw new Error("no report is asked for");
      },
      clusterId: () => "c",
      joinCluster: () => undefined,
      maps: this.#maps,
      leaderEpoch: this.#maps.map()?.leaderEpoch ?? 0,
      logger: SILENT_LOG,
    });
  }

  #makeDeliveries(): MapDeliveries {
    const sendEncoded = (bytes: Uint8Array): void => {
      this.#toNode.push(bytes);
      if (decodeFrame(bytes).map) this.counts.wholes += 1;
      else this.counts.deltas += 1;
    };
    const node = { name: "n", hello: HELLO, connection: { isOpen: true, sendEncoded } };
    const fleet = { all: () => [node], get: () => node, health: () => undefined } as unknown as NodeFleet;
    const { source } = this.#objects;
    return new MapDeliveries({ fleet, ledger: this.#ledger, revision: () => source.revision });
  }
}

function pick({ nodes, collections, shards, deletedCollections, settings }: MapSource): Partial<MapSource> {
  return { nodes, collections, shards, deletedCollections, settings };
}

function frameOf(frame: Partial<ControlFrame>): Buffer {
  return Buffer.from(ControlFrame.encode({ id: 0, ...frame }));
}

type Fate = "arrives" | "lost" | "doubled" | "overtakes";
interface Change {
  readonly what: "node" | "nodeGone" | "collection" | "collectionGone" | "shard" | "shardGone" | "settings";
  readonly which: number;
}
type Step =
  | { readonly kind: "change"; readonly changes: readonly Change[] }
  | { readonly kind: "toNode" | "toPlane"; readonly fate: Fate }
  | { readonly kind: "connect" | "restart" | "save" | "takeOver" | "putBack" };

const fate = fc.oneof(
  { arbitrary: fc.constant<Fate>("arrives"), weight: 6 },
  { arbitrary: fc.constantFrom<Fate>("lost", "doubled", "overtakes"), weight: 2 },
);
const changes = fc.array(
  fc.record<Change>({
    what: fc.constantFrom(
      "node",
      "nodeGone",
      "collection",
      "collectionGone",
      "shard",
      "shard",
      "shardGone",
      "settings",
    ),
    which: fc.nat(5),
  }),
  { maxLength: 4 },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: fc.record({ kind: fc.constant("change" as const), changes }), weight: 6 },
  {
    arbitrary: fc.record({ kind: fc.constantFrom("toNode" as const, "toPlane" as const), fate }),
    weight: 12,
  },
  {
    arbitrary: fc.record({ kind: fc.constantFrom("connect", "restart", "save", "takeOver", "putBack") }),
    weight: 2,
  } as fc.WeightedArbitrary<Step>,
);

/** Before anything is put in its place. */
const deltaOf = Reflect.get(MapLedger.prototype, "delta");
const lines: Line[] = [];

afterEach(() => {
  for (const line of lines.splice(0)) line.stop();
});

function run(steps: readonly Step[], makeMaps: MakeMaps): Line {
  const line = new Line(makeMaps);
  lines.push(line);
  for (const one of steps) {
    switch (one.kind) {
      case "change":
        line.change(one.changes);
        break;
      case "toNode":
      case "toPlane":
        line[one.kind](one.fate);
        break;
      case "takeOver":
      case "putBack":
        line.takeOver(one.kind === "putBack");
        break;
      case "connect":
      case "restart":
      case "save":
        line[one.kind]();
    }
  }
  return line;
}

/** Everything heals: a new leader, a new stream, and nothing is lost any more. */
function heal(line: Line): void {
  line.takeOver(false);
  line.change([]);
  line.settle();
  line.change([{ what: "shard", which: 1 }]);
  line.settle();
  line.expectNewest();
}

const honest: MakeMaps = () => new CurrentMap("n" as NodeId);

function newestIsReached(makeMaps: MakeMaps) {
  return fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const line = run(steps, makeMaps);
    try {
      heal(line);
    } finally {
      line.stop();
    }
  });
}

test("a node goes by maps that were made, and in the end by the newest, whatever happens on the way", () => {
  fc.assert(newestIsReached(honest), { numRuns: 1000 });
});

test("where nothing is lost, one whole map is sent for each stream, and every change after it as what changed", () => {
  const quiet = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant("change" as const), changes }),
      fc.record({
        kind: fc.constantFrom("toNode" as const, "toPlane" as const),
        fate: fc.constant<Fate>("arrives"),
      }),
    ),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(quiet, (steps) => {
      const line = run([{ kind: "change", changes: [] }, ...steps], honest);
      line.settle();
      line.expectNewest();
      expect(line.counts.wholes).toBe(1);
      line.stop();
    }),
    { numRuns: 300 },
  );
});

test("deltas from a map that the node need not have do no harm to a node that looks at their base, and one that does not is found out", () => {
  class Careless extends CurrentMap {
    override offerDelta(delta: MapDelta): boolean {
      return super.offerDelta({ ...delta, baseRevision: 0 });
    }
  }
  const delta = vi.spyOn(MapLedger.prototype, "delta").mockImplementation(function (this: MapLedger, base) {
    let newest = base;
    while (deltaOf.call(this, newest + 1) !== undefined) newest += 1;
    return deltaOf.call(this, Math.max(base, newest - 1));
  });
  try {
    fc.assert(newestIsReached(honest), { numRuns: 500 });
    const { failed, errorInstance } = fc.check(
      newestIsReached(() => new Careless("n" as NodeId)),
      { numRuns: 1500 },
    );
    expect(failed).toBe(true);
    expect(String(errorInstance)).toContain("that was never made");
  } finally {
    delta.mockRestore();
  }
});

test("a delta that leaves out what is gone is found out", () => {
  const delta = vi.spyOn(MapLedger.prototype, "delta").mockImplementation(function (this: MapLedger, base) {
    const bytes = deltaOf.call(this, base);
    const frame = bytes && ControlFrame.decode(bytes);
    if (!frame?.mapDelta) return bytes;
    return frameOf({
      mapDelta: { ...frame.mapDelta, removedNodes: [], removedShards: [], removedCollections: [] },
    });
  });
  try {
    const { failed, errorInstance } = fc.check(newestIsReached(honest), { numRuns: 1500 });
    expect(failed).toBe(true);
    expect(String(errorInstance)).toContain("that was never made");
  } finally {
    delta.mockRestore();
  }
});
