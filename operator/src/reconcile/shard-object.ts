/** Between the stored PrismShard and the record the rules work on. */
import type { AllocationId, HistoryId, NodeId, ShardRecord, ShardUid } from "../domain/shard-record.js";
import type { ApiObject } from "../ports/store.js";

/** Nodes hold the shard's data under it. An object that is made again has another uid, and the same data. */
export function shardUidOf({ spec, metadata }: ApiObject<"PrismShard">): ShardUid {
  return (spec.shardUid ?? metadata.uid) as ShardUid;
}

export function toRecord(object: ApiObject<"PrismShard">): ShardRecord {
  const { status, spec } = object;
  return {
    uid: shardUidOf(object),
    version: status.version,
    term: status.term,
    historyId: status.historyId as HistoryId,
    primary: status.primary as AllocationId,
    inSync: status.inSync as readonly AllocationId[],
    recovering: status.recovering as readonly AllocationId[],
    copies: status.copies.map((copy) => ({
      ...copy,
      id: copy.id as AllocationId,
      node: copy.node as NodeId,
    })),
    departed: status.departed.map((copy) => ({ ...copy, node: copy.node as NodeId })),
    bootstrap: spec.bootstrap,
    lastChange: status.lastChange,
  };
}

export function toShardStatus(record: ShardRecord): ApiObject<"PrismShard">["status"] {
  const { version, term, historyId, primary, inSync, recovering, copies, departed, lastChange } = record;
  return { version, term, historyId, primary, inSync, recovering, copies, departed, lastChange };
}

export function withRecord(object: ApiObject<"PrismShard">, record: ShardRecord): ApiObject<"PrismShard"> {
  return {
    ...object,
    spec: { ...object.spec, bootstrap: record.bootstrap },
    status: toShardStatus(record),
  };
}
