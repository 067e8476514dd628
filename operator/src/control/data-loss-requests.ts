/** What is left of a shard whose in-sync copies are gone, and the forced reset that goes on with it. */
import { randomUUID } from "node:crypto";
import type { AcceptDataLoss, DataLoss, DataLossAccepted, HeldCopy } from "@prism/api/data-loss";
import { Problem } from "@prism/api/problem-code";
import type { CopyReport } from "@prism/proto/gen/node";
import { planForcedReset, resetCandidates, resetRefusal } from "../domain/plan-forced-reset.js";
import { conditionOf, nodeOf, type ShardObservation } from "../domain/shard-observation.js";
import { placeOf, type AllocationId, type HistoryId } from "../domain/shard-record.js";
import type { ShardReconciler } from "../reconcile/shard-reconciler.js";
import type { ClusterState } from "./cluster-state.js";
import type { NodeFleet } from "./node-fleet.js";

export interface DataLossOptions {
  readonly state: ClusterState;
  readonly fleet: NodeFleet;
  readonly shards: ShardReconciler;
}

interface Heard {
  readonly report: CopyReport;
  readonly atMs: number;
}

const MAX_ATTEMPTS = 4;

export class DataLossRequests {
  readonly #options: DataLossOptions;

  constructor(options: DataLossOptions) {
    this.#options = options;
  }

  /** @param name "<collection>/<number>". Throws Problem `collectionNotFound` or `notFound`. */
  describe(name: string): DataLoss {
    return this.#describe(name, this.#observe(name));
  }

  /**
   * One compare-and-swap: a new history, a higher term, the copy alone in the in-sync set. Throws Problem
   * `invalidRequest` when the shard's name is not confirmed, `dataLossRefused` when nothing is lost or
   * nothing is left.
   */
  async accept(name: string, wish: AcceptDataLoss): Promise<DataLossAccepted> {
    if (wish.confirm !== name) {
      throw new Problem("invalidRequest", `confirm must be ${JSON.stringify(name)}`, {
        violations: [
          { pointer: "/confirm", code: "invalidRequest", detail: `must be ${JSON.stringify(name)}` },
        ],
      });
    }
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const observation = this.#observe(name);
      const { copies } = this.#describe(name, observation);
      const target = wish.copy as AllocationId | undefined;
      const evidence = {
        given: copies.filter((copy) => copy.inSync).map(inOneLine),
        left: copies.filter((copy) => !copy.inSync).map(inOneLine),
      };
      const historyId = randomUUID() as HistoryId;
      const plan = planForcedReset(observation, { target, historyId, evidence });
      if (plan.kind === "refused") throw new Problem("dataLossRefused", plan.why);
      const { record } = observation;
      if (!(await this.#options.shards.change(plan.action))) continue;
      return {
        shard: name,
        primary: plan.copy.id,
        node: observation.nodes.get(plan.copy.node)?.name ?? plan.copy.node,
        term: Math.max(record.term, ...observation.copies.map((copy) => copy.term)) + 1,
        historyId,
        before: { term: record.term, historyId: record.historyId, inSync: [...record.inSync] },
      };
    }
    throw new Problem("dataLossRefused", "the shard's record keeps changing: look at the shard again");
  }

  #observe(name: string): ShardObservation {
    const { state, shards } = this.#options;
    const [collection = "", number = ""] = name.split("/");
    if (!state.collections.get(collection))
      throw new Problem("collectionNotFound", `no collection ${collection}`);
    const object = [...state.shards.values()].find(
      ({ spec }) => spec.collection === collection && String(spec.number) === number,
    );
    const observation = object && shards.observe(object.metadata.name);
    if (!observation) throw new Problem("notFound", `${collection} has no shard ${number}`);
    return observation;
  }

  #describe(name: string, observation: ShardObservation): DataLoss {
    const { record } = observation;
    const heard = this.#heard(record.uid);
    const members = record.inSync.map((id) => this.#held(observation, id, heard));
    const candidates = resetCandidates(observation);
    const others = candidates.map(({ id }) => this.#held(observation, id, heard));
    const refusal = resetRefusal(observation) ?? null;
    const [chosen] = others;
    const mostHeld = members.map((copy) => copy.lastSeq);
    const knownLost =
      chosen?.lastSeq === undefined || chosen.lastSeq === null || mostHeld.every((seq) => seq === null)
        ? null
        : Math.max(0, Math.max(...mostHeld.map((seq) => seq ?? 0)) - chosen.lastSeq);
    return {
      shard: name,
      acceptable: refusal === null,
      refusal,
      chosen: chosen?.id ?? null,
      knownLost,
      term: record.term,
      historyId: record.historyId,
      copies: [...members, ...others],
    };
  }

  #held(observation: ShardObservation, id: AllocationId, heard: ReadonlyMap<string, Heard>): HeldCopy {
    const { record, copies, nodes } = observation;
    const inSync = record.inSync.includes(id);
    const reported = copies.find((copy) => copy.id === id);
    const node = inSync ? nodeOf(observation, id) : nodes.get(reported?.node ?? ("" as never));
    const last = heard.get(id);
    return {
      id,
      node: node?.name ?? placeOf(record, id)?.node ?? "",
      zone: node?.zone ?? placeOf(record, id)?.zone ?? "",
      inSync,
      reachable: reported !== undefined,
      condition: inSync ? conditionOf(observation, id) : "available",
      lastSeq: last?.report.lastSeq ?? null,
      globalCheckpoint: last?.report.globalCheckpoint ?? null,
      documents: last?.report.documents ?? null,
      heardAt: last?.atMs ?? null,
    };
  }

  /** By allocation id, of nodes that are gone too. */
  #heard(shardUid: string): Map<string, Heard> {
    const heard = new Map<string, Heard>();
    for (const { lastReport } of this.#options.fleet.all()) {
      const report = lastReport?.report.copies.find((copy) => copy.shardUid === shardUid);
      if (report !== undefined && lastReport !== undefined) {
        heard.set(report.allocationId, { report, atMs: lastReport.atMs });
      }
    }
    return heard;
  }
}

function inOneLine({ id, node, condition, lastSeq, globalCheckpoint }: HeldCopy): string {
  const seq = lastSeq === null ? "never heard" : `seq ${lastSeq}, checkpoint ${globalCheckpoint ?? 0}`;
  return `${id} on ${node}: ${condition}, ${seq}`;
}
