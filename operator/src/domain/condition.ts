/** Conditions in the form of Kubernetes' metav1.Condition: all of them, always. */
import { REASONS, type Reason } from "@prism/api/reason";
import type { StatusResponse } from "@prism/api/status";

export const CONDITION_TYPES = [
  "Ready",
  "Available",
  "Progressing",
  "Degraded",
  "Stalled",
  "ZoneLossTolerated",
] as const;
export type ConditionType = (typeof CONDITION_TYPES)[number];

export interface Condition {
  readonly type: ConditionType;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: Reason;
  readonly message: string;
  readonly observedGeneration: number;
  /** ISO 8601, of the last change of `status`. */
  readonly lastTransitionTime: string;
}

/** `before` keeps the time of a condition whose status stays the same. */
export function buildConditions(
  status: StatusResponse,
  observedGeneration: number,
  before: readonly Condition[],
): readonly Condition[] {
  const worst = status.problems[0];
  const reason: Reason = worst?.reason ?? "AllInSync";
  const message = worst ? `${worst.object}: ${worst.message}` : "";
  const stalled = status.problems.find((problem) => problem.severity === "critical");
  const recovering = status.shards.some((shard) => shard.recovering > 0);
  const isReady = status.status === "ok" && status.nodes.every((node) => node.ready);
  const available = status.status === "ok" || status.status === "degraded";
  const values: Record<ConditionType, { holds: boolean; reason: Reason; message: string }> = {
    Ready: { holds: isReady, reason: isReady ? "AllInSync" : reason, message: isReady ? "" : message },
    Available: { holds: available, reason, message },
    Progressing: { holds: recovering, reason: recovering ? "Recovering" : reason, message },
    Degraded: { holds: status.status !== "ok", reason, message },
    Stalled: {
      holds: stalled !== undefined,
      reason: stalled?.reason ?? "AllInSync",
      message: stalled ? `${stalled.object}: ${stalled.next}` : "",
    },
    ZoneLossTolerated: zoneLoss(status, reason),
  };
  const time = new Date(status.reportedAt).toISOString();
  return CONDITION_TYPES.map((type) => {
    const { holds, ...rest } = values[type];
    const value = holds ? "True" : "False";
    const old = before.find((condition) => condition.type === type);
    const lastTransitionTime = old?.status === value ? old.lastTransitionTime : time;
    return { type, status: value, ...rest, observedGeneration, lastTransitionTime };
  });
}

function zoneLoss(
  status: StatusResponse,
  worst: Reason,
): { holds: boolean; reason: Reason; message: string } {
  if (status.zoneLossTolerated) return { holds: true, reason: "AllInSync", message: "" };
  const fatal = status.topology.filter((zone) => !zone.survivesLoss).map((zone) => zone.zone);
  if (status.topology.every(({ zone }) => zone === "")) {
    return { holds: false, reason: "NoZoneLabels", message: REASONS.NoZoneLabels };
  }
  const reason = status.topology.length < 2 ? "SingleDomain" : worst;
  return { holds: false, reason, message: fatal.length > 0 ? `zones: ${fatal.join(", ")}` : "" };
}
