/**
 * The cluster map in encoded parts, one for each node, collection and shard, and which of them changed with which
 * revision. What did not change is not encoded again; a whole map and a delta are the same parts, all or some.
 */
import { embedded } from "@prism/proto/message-parts";
import { ClusterMap, MapDelta } from "@prism/proto/gen/node";
import { toMapCollection, toMapHead, toMapNode, toMapShard, type MapSource } from "./map-of-cluster.js";

/** Numbers of the fields in node.proto, where they are written from parts. */
const FRAME_MAP = 6;
const FRAME_MAP_DELTA = 14;
const DELTA_CHANGED = 2;
/** Ids of changes that are remembered, beyond as many as there are parts. */
const REMEMBERED_IDS = 1000;

const NOTHING: ClusterMap = {
  clusterId: "",
  clusterName: "",
  revision: 0,
  leaderEpoch: 0,
  settingsJson: new Uint8Array(0),
  nodes: [],
  collections: [],
  shards: [],
  deletedCollections: [],
};

interface Item {
  /** The part is made of these: when they are all the same ones, so is the part. */
  readonly facts: readonly unknown[];
  readonly encode: () => Uint8Array;
}

interface Part {
  readonly facts: readonly unknown[];
  readonly bytes: Uint8Array;
}

/** Parts of one sort by id. */
class Parts {
  #parts = new Map<string, Part>();

  get size(): number {
    return this.#parts.size;
  }

  /** Returns the ids of which something is another now. Of two items with one id the first counts. */
  take(items: Iterable<readonly [id: string, item: Item]>): string[] {
    const before = this.#parts;
    const parts = new Map<string, Part>();
    const changed: string[] = [];
    let kept = 0;
    for (const [id, { facts, encode }] of items) {
      if (parts.has(id)) continue;
      const old = before.get(id);
      if (old !== undefined) kept += 1;
      if (old !== undefined && facts.every((fact, i) => fact === old.facts[i])) {
        parts.set(id, old);
        continue;
      }
      const bytes = encode();
      if (old === undefined || !isSame(bytes, old.bytes)) changed.push(id);
      parts.set(id, { facts, bytes });
    }
    if (kept < before.size) for (const id of before.keys()) if (!parts.has(id)) changed.push(id);
    this.#parts = parts;
    return changed;
  }

  all(): Uint8Array[] {
    return Array.from(this.#parts.values(), ({ bytes }) => bytes);
  }

  bytesOf(id: string): Uint8Array | undefined {
    return this.#parts.get(id)?.bytes;
  }
}

/** Ids of what changed with one revision; together with later ones, what changed since the one before it. */
interface Change {
  readonly revision: number;
  readonly head: boolean;
  readonly nodes: readonly string[];
  readonly collections: readonly string[];
  readonly shards: readonly string[];
}

export class MapLedger {
  readonly #nodes = new Parts();
  readonly #collections = new Parts();
  readonly #shards = new Parts();
  readonly #changes: Change[] = [];
  #rememberedIds = 0;
  /** The oldest revision that a delta can begin with. */
  #oldestBase = 0;
  #revision = 0;
  #head = NOTHING;
  #settings: readonly unknown[] = [];
  #whole: Uint8Array | undefined;
  #deltas = new Map<number, Uint8Array>();

  /** What the map shows now; `source.revision` is above all before. */
  take(source: MapSource): void {
    const { revision } = source;
    const head = this.#takeHead(source);
    const nodes = this.#nodes.take(nodeItems(source));
    const collections = this.#collections.take(collectionItems(source));
    const shards = this.#shards.take(shardItems(source));
    this.#whole = undefined;
    this.#deltas = new Map();
    if (this.#revision === 0) this.#oldestBase = revision;
    else this.#remember({ revision, head, nodes, collections, shards });
    this.#revision = revision;
  }

  /** A ControlFrame with all of the newest map. */
  whole(): Uint8Array {
    this.#whole ??= Buffer.concat(
      embedded(FRAME_MAP, [
        ClusterMap.encode(this.#head),
        ...this.#nodes.all(),
        ...this.#collections.all(),
        ...this.#shards.all(),
      ]),
    );
    return this.#whole;
  }

  /** A ControlFrame with what is another than at that revision; undefined when that is not known any more. */
  delta(baseRevision: number): Uint8Array | undefined {
    if (baseRevision < this.#oldestBase || baseRevision > this.#revision) return undefined;
    let delta = this.#deltas.get(baseRevision);
    if (delta === undefined) {
      delta = this.#encodeDelta(baseRevision);
      this.#deltas.set(baseRevision, delta);
    }
    return delta;
  }

  #takeHead(source: MapSource): boolean {
    const settings = [source.settings, ...source.deletedCollections];
    const isChanged =
      settings.length !== this.#settings.length || settings.some((one, i) => one !== this.#settings[i]);
    this.#settings = settings;
    const { settingsJson, deletedCollections } = isChanged ? toMapHead(source) : this.#head;
    const { clusterId, clusterName, revision, leaderEpoch } = source;
    const identity = { clusterId, clusterName, revision, leaderEpoch };
    this.#head = { ...NOTHING, ...identity, settingsJson, deletedCollections };
    return isChanged;
  }

  #remember(change: Change): void {
    this.#changes.push(change);
    this.#rememberedIds += idsIn(change);
    const limit = REMEMBERED_IDS + this.#nodes.size + this.#collections.size + this.#shards.size;
    while (this.#rememberedIds > limit) {
      const forgotten = this.#changes.shift()!;
      this.#rememberedIds -= idsIn(forgotten);
      this.#oldestBase = forgotten.revision;
    }
  }

  #encodeDelta(baseRevision: number): Uint8Array {
    const since = this.#changes.filter(({ revision }) => revision > baseRevision);
    const { clusterId, clusterName, revision, leaderEpoch } = this.#head;
    const head = since.some((change) => change.head)
      ? this.#head
      : { ...NOTHING, clusterId, clusterName, revision, leaderEpoch };
    const changed: Uint8Array[] = [ClusterMap.encode(head)];
    const removedIn = (parts: Parts, kind: "nodes" | "collections" | "shards"): string[] => {
      const removed: string[] = [];
      for (const id of new Set(since.flatMap((change) => change[kind]))) {
        const bytes = parts.bytesOf(id);
        if (bytes === undefined) removed.push(id);
        else changed.push(bytes);
      }
      return removed;
    };
    const delta = MapDelta.encode({
      baseRevision,
      removedNodes: removedIn(this.#nodes, "nodes"),
      removedCollections: removedIn(this.#collections, "collections"),
      removedShards: removedIn(this.#shards, "shards"),
    });
    return Buffer.concat(embedded(FRAME_MAP_DELTA, [delta, ...embedded(DELTA_CHANGED, changed)]));
  }
}

function* nodeItems({ nodes }: MapSource): Generator<[string, Item]> {
  for (const node of nodes) {
    const { spec, status, state, exited } = node;
    if (status.nodeId === "") continue;
    const encode = (): Uint8Array => ClusterMap.encode({ ...NOTHING, nodes: [toMapNode(node)] });
    yield [status.nodeId, { facts: [spec, status, state, exited], encode }];
  }
}

function* collectionItems({ collections }: MapSource): Generator<[string, Item]> {
  const byName = [...collections].sort((a, b) => (a.spec.name < b.spec.name ? -1 : 1));
  for (const collection of byName) {
    const encode = (): Uint8Array =>
      ClusterMap.encode({ ...NOTHING, collections: [toMapCollection(collection)] });
    yield [collection.uid, { facts: [collection.spec, collection.generation], encode }];
  }
}

/** Without those whose collection is gone. */
function* shardItems({ collections, shards }: MapSource): Generator<[string, Item]> {
  const present = new Set(collections.map(({ uid }) => uid));
  for (const shard of shards) {
    const { uid, spec, status } = shard;
    if (!present.has(spec.collectionUid)) continue;
    const encode = (): Uint8Array => ClusterMap.encode({ ...NOTHING, shards: [toMapShard(shard)] });
    yield [uid, { facts: [spec, status], encode }];
  }
}

function idsIn({ nodes, collections, shards }: Change): number {
  return 1 + nodes.length + collections.length + shards.length;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
