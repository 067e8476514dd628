/** Collections: the control plane owns them; this waits until they can be used here. */
import {
  compareCollectionSpecs,
  growFields,
  parseCollectionPatch,
  parseCollectionSpec,
  type CollectionSpec,
} from "@prism/api/collection";
import { describeLimit, type Limits } from "@prism/api/limits";
import { Problem } from "@prism/api/problem-code";
import { refuse } from "@prism/api/schema";
import type { RoutingResponse } from "@prism/api/routing";
import { RING_HASH, VIRTUAL_NODES } from "@prism/proto/contract/ring";
import type { CopyPlace, MapNode, NodeId, ShardMap } from "../domain/cluster-map.js";
import type { ClusterDirectory, CollectionEntry } from "./cluster-directory.js";
import type { ControlPlane } from "./control-plane.js";
import type { Waiting } from "./documents.js";

export interface PutOutcome {
  readonly created: boolean;
  readonly spec: CollectionSpec;
}

export class CollectionService {
  readonly #directory: ClusterDirectory;
  readonly #controlPlane: ControlPlane;
  readonly #limits: Limits;

  constructor(directory: ClusterDirectory, controlPlane: ControlPlane, limits: Limits) {
    this.#directory = directory;
    this.#controlPlane = controlPlane;
    this.#limits = limits;
  }

  list(): readonly CollectionSpec[] {
    const entries = [...this.#directory.index().collections.values()];
    return entries.map((entry) => entry.spec).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get(name: string): CollectionSpec {
    return this.#directory.collection(name).spec;
  }

  /**
   * Throws Problem `collectionDiffers` with the differing paths when the name is taken by another
   * definition. Returns once writes can be taken, or when the time is up: then they wait.
   */
  async put(name: string, body: unknown, waiting: Waiting): Promise<PutOutcome> {
    const { map, collections } = this.#directory.index();
    const spec = parseCollectionSpec(body, map.settings, { name, limits: this.#limits });
    const existing = collections.get(name);
    if (existing !== undefined) {
      requireEqual(existing.spec, spec);
      return { created: false, spec: existing.spec };
    }
    if (collections.size >= this.#limits.collections) {
      const detail = `${collections.size} collections exist, ${describeLimit("collections", this.#limits)}`;
      throw new Problem("limitExceeded", detail);
    }
    const { result } = await this.#request("create", name, spec, waiting);
    const { deadline, signal } = waiting;
    const entry = await this.#directory.waitFor(() => this.#usable(name), deadline.leftMs, signal);
    return { created: result === "created", spec: entry?.spec ?? spec };
  }

  /** Adds fields; throws Problem with every field that can't be changed so. */
  async patch(name: string, body: unknown, waiting: Waiting): Promise<CollectionSpec> {
    const entry = this.#directory.collection(name);
    const patch = parseCollectionPatch(body);
    const { spec, violations } = growFields(entry.spec, patch, this.#limits);
    if (violations.length > 0) refuse("collection patch", violations);
    await this.#request("patch", name, patch, waiting);
    const grown = await this.#directory.waitFor(
      () => {
        const now = this.#directory.current()?.collections.get(name);
        if (now === undefined || now.uid !== entry.uid) return undefined;
        const wanted = growFields(now.spec, patch, this.#limits).spec;
        return compareCollectionSpecs(now.spec, wanted).length === 0 ? now.spec : undefined;
      },
      waiting.deadline.leftMs,
      waiting.signal,
    );
    return grown ?? spec;
  }

  async delete(name: string, waiting: Waiting): Promise<void> {
    const entry = this.#directory.collection(name);
    if (entry.spec.deletionProtection) {
      throw new Problem("deletionProtected", `${name} has deletionProtection: true`);
    }
    await this.#request("delete", name, undefined, waiting);
    await this.#directory.waitFor(
      () => (this.#directory.current()?.collections.get(name)?.uid === entry.uid ? undefined : true),
      waiting.deadline.leftMs,
      waiting.signal,
    );
  }

  routing(name: string): RoutingResponse {
    const entry = this.#directory.collection(name);
    const { map, nodes } = this.#directory.index();
    return {
      collection: entry.name,
      collectionUid: entry.uid,
      revision: map.revision,
      shardKey: entry.spec.shardKey ?? null,
      ring: { algorithm: RING_HASH, virtualNodes: VIRTUAL_NODES },
      shards: entry.shards.map((shard, number) => toRoutingShard(number, shard, nodes)),
    };
  }

  #request(action: "create" | "patch" | "delete", name: string, spec: unknown, waiting: Waiting) {
    const timeoutMs = Math.max(1, Math.ceil(waiting.deadline.leftMs));
    return this.#controlPlane.requestCollection(action, name, spec, { timeoutMs });
  }

  /** The collection once every shard takes writes as far as the map can tell. */
  #usable(name: string): CollectionEntry | undefined {
    const index = this.#directory.current();
    const entry = index?.collections.get(name);
    if (index === undefined || entry === undefined) return undefined;
    const { minReplicasForWrite } = entry.spec.replication;
    const ready = entry.shards.every((shard) => {
      if (shard === undefined || shard.inSync.length < minReplicasForWrite) return false;
      const primary = shard.copies.find((copy) => copy.id === shard.primary);
      return primary !== undefined && index.nodes.get(primary.node)?.state === "alive";
    });
    return ready ? entry : undefined;
  }
}

function requireEqual(existing: CollectionSpec, wanted: CollectionSpec): void {
  const paths = compareCollectionSpecs(existing, wanted);
  if (paths.length === 0) return;
  throw new Problem("collectionDiffers", `${existing.name} differs in ${paths.join(", ")}`, {
    violations: paths.map((pointer) => ({
      pointer,
      code: "collectionDiffers",
      detail: "is not as in the collection that exists",
    })),
  });
}

function toRoutingShard(
  number: number,
  shard: ShardMap | undefined,
  nodes: ReadonlyMap<NodeId, MapNode>,
): RoutingResponse["shards"][number] {
  if (shard === undefined) return { number, term: 0, primary: null, copies: [] };
  const inSync = new Set(shard.inSync);
  const primary = shard.copies.find((copy) => copy.id === shard.primary);
  const primaryNode = primary === undefined ? undefined : nodes.get(primary.node);
  return {
    number,
    term: shard.term,
    primary: primary === undefined || primaryNode?.state !== "alive" ? null : toPlace(primary, primaryNode),
    copies: shard.copies.map((copy) => {
      const node = nodes.get(copy.node);
      const away = node === undefined || node.state === "dead";
      const state = away ? "away" : inSync.has(copy.id) ? "inSync" : "recovering";
      return { ...toPlace(copy, node), state } as const;
    }),
  };
}

function toPlace(copy: CopyPlace, node: MapNode | undefined) {
  return { node: copy.node, zone: copy.zone, httpUrl: node?.httpUrl ?? "" };
}
