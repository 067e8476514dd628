/** Replication messages on the wire <-> the state machine's own. */
import type * as wire from "@prism/proto/gen/node";
import { decodeEntries, encodeEntries } from "../lmdb/entry-codec.js";
import type { AllocationId, HistoryId, ShardUid } from "../../domain/cluster-map.js";
import type { CopyMessage, MessageBody } from "../../domain/replication/event.js";
import type { WriteResult } from "../../domain/replication/log-entry.js";

const RESULTS: readonly string[] = ["created", "updated", "deleted", "unchanged"] satisfies WriteResult[];

/**
 * Undefined for a message that is none of the state machine's: snapshots, kinds yet unknown.
 * @throws {DamagedValueError} when an entry does not have the checksum that its primary gave it.
 */
export function fromWireMessage(message: wire.ReplicationMessage): CopyMessage | undefined {
  const body = fromWireBody(message);
  if (body === undefined) return undefined;
  return {
    shardUid: message.shardUid as ShardUid,
    historyId: message.historyId as HistoryId,
    from: message.from as AllocationId,
    to: message.to as AllocationId,
    term: message.term,
    body,
  };
}

function fromWireBody(message: wire.ReplicationMessage): MessageBody | undefined {
  const { replicate, replicateOk, mismatch, higherTerm } = message;
  if (replicate !== undefined) {
    return {
      kind: "replicate",
      previousSeq: replicate.previousSeq,
      previousTerm: replicate.previousTerm,
      entries: decodeEntries(replicate.entries),
      globalCheckpoint: replicate.globalCheckpoint,
    };
  }
  if (replicateOk !== undefined) return { kind: "replicateOk", ...replicateOk };
  if (mismatch !== undefined) return { kind: "mismatch", ...mismatch };
  return higherTerm === undefined ? fromWireReadBody(message) : { kind: "higherTerm" };
}

function fromWireReadBody(message: wire.ReplicationMessage): MessageBody | undefined {
  const { termCheck, termCheckOk, freshnessAsk, freshness } = message;
  if (termCheck !== undefined) return { kind: "termCheck", ...termCheck };
  if (termCheckOk !== undefined) return { kind: "termCheckOk", ...termCheckOk };
  if (freshnessAsk !== undefined) return { kind: "freshnessAsk", ...freshnessAsk };
  return freshness === undefined ? undefined : { kind: "freshness", ...freshness };
}

export function toWireMessage(message: CopyMessage): wire.ReplicationMessage {
  const { body, ...header } = message;
  switch (body.kind) {
    case "replicate":
      return {
        ...header,
        replicate: {
          previousSeq: body.previousSeq,
          previousTerm: body.previousTerm,
          entries: encodeEntries(body.entries).bytes,
          globalCheckpoint: body.globalCheckpoint,
        },
      };
    case "replicateOk":
      return {
        ...header,
        replicateOk: { confirmed: body.confirmed, globalCheckpoint: body.globalCheckpoint },
      };
    case "mismatch":
      return { ...header, mismatch: { globalCheckpoint: body.globalCheckpoint, lastSeq: body.lastSeq } };
    case "higherTerm":
      return { ...header, higherTerm: {} };
    case "termCheck":
      return { ...header, termCheck: { nonce: body.nonce } };
    case "termCheckOk":
      return { ...header, termCheckOk: { nonce: body.nonce } };
    case "freshnessAsk":
      return { ...header, freshnessAsk: { nonce: body.nonce, maxAgeMs: body.maxAgeMs } };
    case "freshness": {
      const { nonce, ageMs, globalCheckpoint } = body;
      return { ...header, freshness: { nonce, ageMs, globalCheckpoint } };
    }
  }
}

/** @throws {RangeError} on a result that this version does not know. */
export function toWriteResult(result: string): WriteResult {
  if (!RESULTS.includes(result)) throw new RangeError(`unknown write result ${JSON.stringify(result)}`);
  return result as WriteResult;
}
