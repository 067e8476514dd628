/** What a control plane remembers and tells of changes of shard records, and of records that are lost. */
import type { Reason } from "@prism/api/reason";
import type { Action, Evidence, Verdict } from "../domain/action.js";
import type { KeptShardRecord } from "../domain/plan-record-rebuild.js";
import type { ShardRecord } from "../domain/shard-record.js";
import { describeChange } from "../reconcile/shard-reconciler.js";
import type { OperatorMetrics } from "./operator-metrics.js";
import type { ShardOutlook } from "./shard-outlook.js";
import { steadyNowMs } from "./steady-clock.js";

export interface RecordEventsOptions {
  readonly outlook: ShardOutlook;
  readonly metrics: OperatorMetrics;
  readonly event: (reason: Reason, about: string, evidence: Evidence) => void;
  readonly statusSoon: () => void;
}

export class RecordEvents {
  readonly #options: RecordEventsOptions;

  constructor(options: RecordEventsOptions) {
    this.#options = options;
  }

  onChanged(
    shard: string,
    before: ShardRecord,
    after: ShardRecord,
    action: Extract<Action, { kind: "changeRecord" }>,
  ): void {
    const { reason, change } = action;
    this.#options.metrics.recordChange(change.kind, reason);
    this.#options.event(reason, `shard/${shard}`, describeChange(before, after, action));
  }

  onVerdict(shard: string, verdict: Verdict): void {
    const wait = this.#options.outlook.take(shard, verdict, steadyNowMs());
    if (!wait) return;
    if (wait !== "over") this.#options.event(wait.reason, `shard/${shard}`, wait.evidence);
    this.#options.statusSoon();
  }

  onLost(shard: string): void {
    if (!this.#options.outlook.recordLost(shard, steadyNowMs())) return;
    this.#options.event("ShardRecordLost", `shard/${shard}`, {});
    this.#options.statusSoon();
  }

  onRebuildRefused(shard: string, missing: readonly string[]): void {
    if (!this.#options.outlook.recordDoubted(shard, missing)) return;
    this.#options.event("ShardRecordLost", `shard/${shard}`, { missing });
    this.#options.statusSoon();
  }

  onRebuilt(shard: string, from: KeptShardRecord, record: ShardRecord): void {
    this.#options.outlook.recordFound(shard);
    const { version, term, primary, inSync } = record;
    this.#options.event("ShardRecordRebuilt", `shard/${shard}`, {
      version,
      term,
      fromVersion: from.version,
      to: primary,
      inSync,
    });
  }
}
