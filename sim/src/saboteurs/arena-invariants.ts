/**
 * The invariants of the protocol, checked by name after every step of the arena. They look at what
 * anybody may look at: logs in memory and on disk, the stored record, messages, and answers to clients.
 */
import type { AllocationId } from "@prism/dataplane/domain/cluster-map";
import type { CopyMessage } from "@prism/dataplane/domain/replication/event";
import type { LogEntry } from "@prism/dataplane/domain/replication/log-entry";
import type { ShardRecord } from "@prism/operator/domain/shard-record";
import { idOf, type ArenaNode } from "./arena-node.js";

export class InvariantBroken extends Error {
  readonly invariant: string;

  constructor(invariant: string, detail: string) {
    super(`${invariant}: ${detail}`);
    this.invariant = invariant;
  }
}

/** Of one history: a reset begins another one, and ends all guarantees about what was before. */
export class ArenaInvariants {
  readonly #historyId: string;
  /** The one committed history, as first seen committed anywhere. */
  readonly #chosen: LogEntry[] = [];
  readonly #acknowledged = new Map<string, number>();
  readonly #ackers = new Map<number, AllocationId>();
  /** Highest seq that a client knows of: acknowledged to it, or shown by a strong read. */
  #knownSeq = 0;

  constructor(historyId: string) {
    this.#historyId = historyId;
  }

  get knownSeq(): number {
    return this.#knownSeq;
  }

  isAcknowledged(operationId: string): boolean {
    return this.#acknowledged.has(operationId);
  }

  check(nodes: readonly ArenaNode[], record: ShardRecord): void {
    checkSets(record);
    for (const node of nodes) {
      const view = node.copy?.view(0);
      if (view?.historyId === this.#historyId) {
        this.#checkCommitted(node.name, view.globalCheckpoint, node.memory);
      }
      if (node.disk?.copy.historyId === this.#historyId) {
        const { copy, entries } = node.disk;
        this.#checkCommitted(`${node.name}'s disk`, copy.globalCheckpoint, entries);
      }
    }
    const members = nodes.filter((node) => isMember(record, node));
    this.#checkAcknowledged(members, record);
    checkCheckpoints(members.filter((node) => node.disk?.copy.historyId === this.#historyId));
  }

  /** A write is answered with success. */
  acknowledge(operationId: string, seq: number, by: ArenaNode): void {
    const { historyId, term, allocationId } = by.copy!.view(0);
    if (historyId !== this.#historyId) return;
    const acker = this.#ackers.get(term);
    if (acker !== undefined && acker !== allocationId) {
      throw new InvariantBroken(
        "AtMostOneAckingPrimaryPerTerm",
        `${acker} and ${allocationId} in term ${term}`,
      );
    }
    this.#ackers.set(term, allocationId);
    this.acknowledged(operationId, seq);
  }

  acknowledged(operationId: string, seq: number): void {
    this.#acknowledged.set(operationId, seq);
    this.#knownSeq = Math.max(this.#knownSeq, seq);
  }

  /** A strong read that had come when clients knew of `knownSeq` is answered from what is applied up to `seq`. */
  strongAnswer(seq: number, knownSeq: number, by: ArenaNode): void {
    if (by.copy!.view(0).historyId !== this.#historyId) return;
    if (seq < knownSeq) {
      throw new InvariantBroken("StrongRead", `answered from ${seq}, though ${knownSeq} was known before`);
    }
    this.#knownSeq = Math.max(this.#knownSeq, seq);
  }

  /** A replica confirms: what it confirms must be on its disk, and equal to the log of the term's primary. */
  confirmation(message: CopyMessage, from: ArenaNode, nodes: readonly ArenaNode[]): void {
    const { body, term } = message;
    if (body.kind !== "replicateOk") return;
    const primary = nodes.find((node) => {
      const view = node.copy?.view(0);
      return view?.role === "primary" && view.term === term;
    });
    for (let i = 0; i < body.confirmed; i += 1) {
      const held = from.disk?.entries[i];
      const detail = `${from.name} confirms ${body.confirmed} in term ${term}`;
      if (held === undefined) {
        throw new InvariantBroken(
          "LocalCheckpointMatchesMaxConfirmedSeq",
          `${detail}, ${i + 1} is not on disk`,
        );
      }
      const sent = primary?.memory[i];
      if (sent !== undefined && !isSame(sent, held)) {
        throw new InvariantBroken("LocalCheckpointMatchesMaxConfirmedSeq", `${detail}, ${i + 1} differs`);
      }
    }
  }

  /** SameLogUpToGlobalCheckpoint and ExactlyOnce. */
  #checkCommitted(where: string, checkpoint: number, entries: readonly LogEntry[]): void {
    for (let i = 0; i < checkpoint; i += 1) {
      const entry = entries[i];
      if (entry === undefined) {
        throw new InvariantBroken("SameLogUpToGlobalCheckpoint", `${where}: hole at ${i + 1}`);
      }
      const chosen = this.#chosen[i];
      if (chosen === undefined) {
        const { operationId } = entry;
        if (operationId !== "" && this.#chosen.some((other) => other.operationId === operationId)) {
          throw new InvariantBroken("ExactlyOnce", `${operationId} is committed twice`);
        }
        this.#chosen.push(entry);
      } else if (!isSame(chosen, entry)) {
        throw new InvariantBroken("SameLogUpToGlobalCheckpoint", `${where} differs at ${i + 1}`);
      }
    }
  }

  #checkAcknowledged(members: readonly ArenaNode[], record: ShardRecord): void {
    for (const [operationId, seq] of this.#acknowledged) {
      for (const id of record.inSync) {
        const node = members.find((one) => (idOf(one) as string) === id);
        if (node?.disk?.entries[seq - 1]?.operationId !== operationId) {
          throw new InvariantBroken(
            "AllAckedResponsesStored",
            `${operationId} at ${seq} is missing on ${id}`,
          );
        }
      }
    }
  }
}

function checkSets(record: ShardRecord): void {
  if (!record.inSync.includes(record.primary)) {
    throw new InvariantBroken("InSyncNeverEmpty", "the primary is not in the in-sync set");
  }
  if (record.inSync.some((id) => record.recovering.includes(id))) {
    throw new InvariantBroken("InSyncNeverEmpty", "a copy is in both sets");
  }
}

function checkCheckpoints(members: readonly ArenaNode[]): void {
  for (const node of members) {
    const checkpoint = node.copy?.view(0).globalCheckpoint ?? node.disk?.copy.globalCheckpoint ?? 0;
    for (const other of members) {
      const held = other.disk?.entries.length ?? 0;
      if (checkpoint > held) {
        const detail = `${node.name} has ${checkpoint} for committed, ${other.name} holds ${held} on disk`;
        throw new InvariantBroken("GlobalCheckpointBelowLocalCheckpoints", detail);
      }
    }
  }
}

function isMember(record: ShardRecord, node: ArenaNode): boolean {
  return record.inSync.some((id) => (id as string) === idOf(node));
}

function isSame(one: LogEntry, other: LogEntry): boolean {
  return one.term === other.term && one.operationId === other.operationId;
}
