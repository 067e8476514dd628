/** What the control plane is told of a copy. */
import type { Reason } from "@prism/api/reason";
import type { CopyReport } from "@prism/proto/gen/node";
import type { ShardRecord } from "../adapters/lmdb/shard-record.js";
import type { ShardMap } from "../domain/cluster-map.js";
import type { CopyView } from "../domain/replication/event.js";

export interface FailedCopy {
  readonly reason: Reason;
  readonly detail: string;
}

export interface ReportedCopy {
  readonly worker: number;
  readonly record: ShardRecord;
  readonly view: CopyView;
  /** Then its own counts: the control plane refuses to decide from a record that a copy is past. */
  readonly metOlderRecord: boolean;
  readonly failed: FailedCopy | undefined;
  readonly appliedSeq: number;
  readonly isRecovering: boolean;
  readonly documents: number;
  readonly indexBytes: number;
}

/** What of a copy is reported at once when it changes. */
export interface VitalState {
  readonly role: CopyView["role"];
  readonly ready: boolean;
  readonly term: number;
  readonly mapVersion: number;
  readonly serving: boolean;
}

export function vitalState(copy: Omit<VitalState, "serving">, serving: boolean): VitalState {
  const { role, ready, term, mapVersion } = copy;
  return { role, ready, term, mapVersion, serving };
}

export function isSameState(a: VitalState, b: VitalState | undefined): boolean {
  return (
    a.role === b?.role &&
    a.ready === b.ready &&
    a.term === b.term &&
    a.mapVersion === b.mapVersion &&
    a.serving === b.serving
  );
}

export function copyReport(copy: ReportedCopy): CopyReport {
  const { record, view, failed } = copy;
  return {
    shardUid: record.shardUid,
    allocationId: record.allocationId,
    historyId: record.historyId,
    term: view.term,
    mapVersion: copy.metOlderRecord ? Math.max(view.mapVersion, record.identityVersion) : view.mapVersion,
    role: roleOf(copy),
    lastSeq: view.lastSeq,
    globalCheckpoint: view.globalCheckpoint,
    appliedSeq: copy.appliedSeq,
    worker: copy.worker,
    documents: copy.documents,
    indexBytes: copy.indexBytes,
    reason: failed?.reason ?? "",
    lag: view.lag.map(({ copy: allocationId, confirmed, silenceMs, behindMs }) => ({
      allocationId,
      confirmed,
      silenceMs,
      behindMs,
    })),
  };
}

function roleOf({ view, failed, isRecovering }: ReportedCopy): string {
  if (failed !== undefined || view.role === "stopped") return "failed";
  if (view.role === "primary") return view.ready ? "primary" : "activating";
  return isRecovering ? "recovering" : "replica";
}

/** A copy that the map places here and whose data is not here: made anew only by the control plane's word. */
export function missingCopyReport(map: ShardMap, allocationId: string, worker: number): CopyReport {
  return {
    shardUid: map.uid,
    allocationId,
    historyId: "",
    term: 0,
    mapVersion: map.version,
    role: "failed",
    lastSeq: 0,
    globalCheckpoint: 0,
    appliedSeq: 0,
    worker,
    documents: 0,
    indexBytes: 0,
    reason: "CopyFailed",
    lag: [],
  };
}
