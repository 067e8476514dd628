/**
 * Makes a shard's record again that was deleted, emptied or put back, when what nodes prove allows it
 * (domain/plan-record-rebuild.ts). A record that is not there is made in two steps, first without content: from
 * then on whatever anybody else does with it is a conflict, and what counts is what nodes say after that.
 */
import { shardName, shardStatusSchema, type ShardStatus } from "@prism/api/shard";
import type { CopyReport, KeptRecord, MapShard } from "@prism/proto/gen/node";
import { REASONS, type Reason } from "@prism/api/reason";
import type { Logger } from "pino";
import type { ClusterState } from "../control/cluster-state.js";
import type { NodeFleet } from "../control/node-fleet.js";
import { steadyNowMs } from "../control/steady-clock.js";
import {
  planRecordRebuild,
  type KeptShardRecord,
  type RecordProof,
  type RecordRebuild,
} from "../domain/plan-record-rebuild.js";
import type { AllocationId, HistoryId, NodeId, ShardRecord, ShardUid } from "../domain/shard-record.js";
import { StoreError, type ApiObject, type Store } from "../ports/store.js";
import { toShardStatus } from "./shard-object.js";

export interface RecordRebuilderOptions {
  readonly store: Store;
  readonly state: ClusterState;
  readonly fleet: NodeFleet;
  readonly clusterName: string;
  readonly clusterId: string;
  readonly leaderEpoch: number;
  /** Of the newest map that was sent to any node. */
  readonly mapRevision: () => number;
  /** Histories of the shard that a person gave up. */
  readonly givenUp: (shardUid: string) => ReadonlySet<HistoryId>;
  readonly log: Logger;
  readonly onRebuilt: (shard: string, from: KeptShardRecord, record: ShardRecord) => void;
  /** Every time that it is looked at in vain. */
  readonly onRefused: (shard: string, missing: readonly string[]) => void;
}

export class RecordRebuilder {
  readonly #options: RecordRebuilderOptions;

  constructor(options: RecordRebuilderOptions) {
    this.#options = options;
  }

  /** Asked again until the record is whole. */
  async rebuild(collection: ApiObject<"PrismCollection">, number: number): Promise<void> {
    const { store, clusterName, onRefused, log } = this.#options;
    const name = shardName(clusterName, collection.metadata.name, number);
    // Read from the store itself: what a cache lacks may be there.
    const present = await store.get("PrismShard", name);
    const proofs = this.#proofs(collection.metadata.uid, number);
    const stored = shardStatusSchema.safeParse(present?.status).data;
    // A cache that is behind sees losses where there are none.
    if (stored !== undefined && proofs.every(({ kept }) => kept.version <= stored.version)) return;
    const highestVersion = store.highestVersion?.(collection.metadata.uid, number) ?? 0;
    const plan = this.#plan(proofs, stored, highestVersion);
    if (plan.kind === "refuse") {
      onRefused(name, plan.missing);
      return;
    }
    const spec = {
      clusterRef: { name: clusterName },
      collection: collection.metadata.name,
      collectionUid: collection.metadata.uid,
      number,
      clusterId: this.#options.clusterId,
      shardUid: plan.record.uid,
      bootstrap: "",
    };
    try {
      if (present === undefined) {
        await store.create({ kind: "PrismShard", name, spec, status: undefined as never });
        return;
      }
      await store.update({ ...present, spec, status: toShardStatus(plan.record) });
    } catch (error) {
      if (!(error instanceof StoreError) || error.failure === "expired") throw error;
      log.info({ shard: name, failure: error.failure }, "record changed meanwhile");
      return;
    }
    this.#options.onRebuilt(name, plan.from, plan.record);
  }

  #plan(
    proofs: readonly RecordProof[],
    stored: ShardStatus | undefined,
    highestVersion: number,
  ): RecordRebuild {
    const { state, givenUp } = this.#options;
    const names = new Map([...state.nodes.values()].map((node) => [node.status.nodeId, node.metadata.name]));
    return planRecordRebuild({
      stored,
      proofs,
      highestVersion,
      givenUp: givenUp(proofs[0]?.kept.uid ?? ""),
      nameOf: (node) => names.get(node) ?? node,
      nowMs: steadyNowMs(),
    });
  }

  #proofs(collectionUid: string, number: number): RecordProof[] {
    const proofs: RecordProof[] = [];
    for (const { hello, report } of this.#options.fleet.all()) {
      for (const copy of report?.copies ?? []) {
        const shard = copy.kept?.shard;
        if (hello === undefined || copy.kept === undefined || shard === undefined) continue;
        if (shard.collectionUid !== collectionUid || shard.number !== number) continue;
        proofs.push(this.#toProof(hello.nodeId as NodeId, copy, copy.kept, shard));
      }
    }
    return proofs;
  }

  #toProof(
    node: NodeId,
    copy: CopyReport,
    { leaderEpoch, mapRevision }: KeptRecord,
    shard: MapShard,
  ): RecordProof {
    const { reason } = copy;
    return {
      node,
      copy: copy.allocationId as AllocationId,
      term: copy.term,
      historyId: copy.historyId as HistoryId,
      failure:
        copy.role !== "failed"
          ? undefined
          : Object.hasOwn(REASONS, reason)
            ? (reason as Reason)
            : "CopyFailed",
      kept: toKept(shard),
      isCurrent: leaderEpoch === this.#options.leaderEpoch && mapRevision >= this.#options.mapRevision(),
    };
  }
}

function toKept(shard: MapShard): KeptShardRecord {
  return {
    uid: shard.uid as ShardUid,
    version: shard.version,
    term: shard.term,
    historyId: shard.historyId as HistoryId,
    primary: shard.primary as AllocationId,
    inSync: shard.inSync as AllocationId[],
    recovering: shard.recovering as AllocationId[],
    copies: shard.copies.map(({ allocationId, nodeId, zone }) => ({
      id: allocationId as AllocationId,
      node: nodeId as NodeId,
      zone,
    })),
  };
}
