/**
 * One collection: its shard records exist while it does, and go after it. A record is made once, with
 * the nonce that allows its first copy to be empty; one that is missing later is lost, not new.
 */
import { randomUUID } from "node:crypto";
import { shardName } from "@prism/api/shard";
import type { Logger } from "pino";
import { placeShards, type PlacementNode, type ShardToPlace } from "../domain/placement.js";
import type { ObservedNode } from "../domain/shard-observation.js";
import {
  newShardRecord,
  type AllocationId,
  type HistoryId,
  type NodeId,
  type ShardUid,
} from "../domain/shard-record.js";
import { StoreError, type ApiObject, type NewObject, type Store } from "../ports/store.js";
import type { ClusterState } from "../control/cluster-state.js";
import type { RecordRebuilder } from "./record-rebuilder.js";
import { toShardStatus } from "./shard-object.js";
import { steadyNowMs } from "../control/steady-clock.js";

export interface CollectionReconcilerOptions {
  readonly store: Store;
  readonly state: ClusterState;
  /** Whether the deletion of the collection with this uid is on record. */
  readonly wasDeleted: (collectionUid: string) => boolean;
  readonly clusterName: string;
  readonly clusterId: string;
  readonly log: Logger;
  readonly observeNodes: () => ReadonlyMap<NodeId, ObservedNode>;
  /** A record that was made once is gone, though its collection is there. */
  readonly onRecordLost: (shard: string) => void;
  readonly rebuilder: RecordRebuilder;
  readonly onCreated: (collection: string, shards: number) => void;
  readonly onDeleted: (collection: string, shards: number) => void;
}

const RETRY_WITHOUT_NODES_MS = 200;
const CONFLICT_MS = 5;
/** How often it is looked whether a lost record can be made again. */
const LOST_RECORD_MS = 250;

export class CollectionReconciler {
  readonly #options: CollectionReconcilerOptions;

  constructor(options: CollectionReconcilerOptions) {
    this.#options = options;
  }

  async reconcile(name: string): Promise<{ readonly againInMs: number | undefined }> {
    const { state } = this.#options;
    const collection = state.collections.get(name);
    const present = new Set<number>();
    const orphans: ApiObject<"PrismShard">[] = [];
    for (const shard of state.shards.values()) {
      if (shard.spec.collection !== name) continue;
      if (shard.spec.collectionUid === collection?.metadata.uid) present.add(shard.spec.number);
      else orphans.push(shard);
    }
    // Records of a deleted collection of the same name go first: the names are needed again.
    const [deleted, lost] = partition(orphans, ({ spec }) => this.#options.wasDeleted(spec.collectionUid));
    if (deleted.length > 0) await this.#deleteRecords(name, deleted);
    // Without a record of its deletion a collection that is not there is lost, and what it had is left alone.
    for (const shard of lost) this.#options.onRecordLost(shard.metadata.name);
    if (!collection || lost.length > 0) return { againInMs: undefined };
    const missing = Array.from({ length: collection.spec.shards }, (_, number) => number).filter(
      (number) => !present.has(number),
    );
    if (collection.status.shardsCreated) {
      for (const number of missing) this.#options.onRecordLost(this.#shardName(name, number));
      for (const number of missing) await this.#options.rebuilder.rebuild(collection, number);
      return { againInMs: missing.length > 0 ? LOST_RECORD_MS : undefined };
    }
    return this.#createRecords(collection, missing);
  }

  async #createRecords(
    collection: ApiObject<"PrismCollection">,
    missing: readonly number[],
  ): Promise<{ readonly againInMs: number | undefined }> {
    const { store, onCreated } = this.#options;
    const { name } = collection.metadata;
    const records = this.#newRecords(collection, missing);
    // Records are made only together: later ones could not tell a new shard from a lost one.
    if (records.length < missing.length) return { againInMs: RETRY_WITHOUT_NODES_MS };
    await Promise.all(records.map((record) => this.#createRecord(record)));
    try {
      await store.update({ ...collection, status: { shardsCreated: true } });
    } catch (error) {
      // Something else was said of it meanwhile; the records are there, and the next pass says so.
      if (!(error instanceof StoreError) || error.failure !== "conflict") throw error;
      return { againInMs: CONFLICT_MS };
    }
    onCreated(name, collection.spec.shards);
    return { againInMs: undefined };
  }

  async #createRecord(record: NewObject<"PrismShard">): Promise<void> {
    try {
      await this.#options.store.create(record);
    } catch (error) {
      if (!(error instanceof StoreError) || error.failure !== "alreadyExists") throw error;
    }
  }

  #newRecords(
    collection: ApiObject<"PrismCollection">,
    numbers: readonly number[],
  ): NewObject<"PrismShard">[] {
    const { state, clusterId, clusterName, observeNodes } = this.#options;
    const nodes = observeNodes();
    const wanted = numbers.map((number): ShardToPlace => ({
      key: String(number),
      factor: collection.spec.replication.factor,
      held: [],
      primary: undefined,
    }));
    const placed = placeShards(
      [...nodes.values()].map(toPlacementNode),
      [...[...state.shards.values()].map(toHeldShard), ...wanted],
      collection.metadata.uid,
    ).slice(state.shards.size);
    return placed
      .filter((shard) => shard.added.length > 0)
      .map((shard): NewObject<"PrismShard"> => {
        const number = Number(shard.key);
        const bootstrap = randomUUID();
        const copies = shard.added.map((node, i) => ({
          id: `1-${i}-${randomUUID()}` as AllocationId,
          node,
          zone: nodes.get(node)?.zone ?? "",
        }));
        const record = newShardRecord({
          uid: "" as ShardUid,
          historyId: randomUUID() as HistoryId,
          bootstrap,
          copies,
          nowMs: steadyNowMs(),
        });
        return {
          kind: "PrismShard",
          name: this.#shardName(collection.metadata.name, number),
          spec: {
            clusterRef: { name: clusterName },
            collection: collection.metadata.name,
            collectionUid: collection.metadata.uid,
            number,
            clusterId,
            shardUid: randomUUID(),
            bootstrap,
          },
          status: toShardStatus(record),
        };
      });
  }

  async #deleteRecords(name: string, shards: readonly ApiObject<"PrismShard">[]): Promise<void> {
    const { store, onDeleted } = this.#options;
    await Promise.all(
      shards.map(async ({ kind, metadata }) => {
        try {
          await store.delete(kind, metadata.name, { uid: metadata.uid });
        } catch (error) {
          if (!(error instanceof StoreError) || error.failure !== "notFound") throw error;
        }
      }),
    );
    onDeleted(name, shards.length);
  }

  #shardName(collection: string, number: number): string {
    return shardName(this.#options.clusterName, collection, number);
  }
}

function partition<T>(all: readonly T[], test: (one: T) => boolean): readonly [T[], T[]] {
  return [all.filter(test), all.filter((one) => !test(one))];
}

function toPlacementNode(node: ObservedNode): PlacementNode {
  return { id: node.id, domain: node.domain, weight: node.weight, accepting: node.accepting };
}

/** A shard that exists: it counts as load and gets nothing new here. */
function toHeldShard(shard: ApiObject<"PrismShard">): ShardToPlace {
  const { copies, primary } = shard.status;
  return {
    key: shard.metadata.name,
    factor: copies.length,
    held: copies.map((copy) => copy.node as NodeId),
    primary: copies.find((copy) => copy.id === primary)?.node as NodeId | undefined,
  };
}
