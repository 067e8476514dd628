/** Why a pod does not run, as one sentence of evidence and one of what can be done. */
import type { Reason } from "@prism/api/reason";
import { NEXT_STEP } from "../../domain/status-text.js";
import type { Blocker } from "../../domain/blocker.js";
import { conditionOf, describeEnd, endOf, nodeContainerOf, type LivePod } from "./live-pod.js";
import { DATA_VOLUME } from "../../resources/pod-template.js";

const IMAGE_REASONS = new Set([
  "ErrImagePull",
  "ImagePullBackOff",
  "ErrImageNeverPull",
  "InvalidImageName",
  "ImageInspectError",
  "RegistryUnavailable",
]);
const CONTAINER_REASONS = new Set([
  "CreateContainerConfigError",
  "CreateContainerError",
  "RunContainerError",
]);
/** Volumes are normally there long before. */
const SLOW_CREATION_MS = 30_000;
/** Past its deletion's grace period, until the machine's silence is taken for more than slowness. */
const SLOW_DELETION_MS = 10_000;

/** @param silent machines whose kubelet the API server does not hear, and since when. */
export function podBlocker(
  pod: LivePod,
  silent: ReadonlyMap<string, number>,
  nowMs: number,
): Blocker | undefined {
  return lostBlocker(pod, silent, nowMs) ?? schedulingBlocker(pod) ?? containerBlocker(pod, nowMs);
}

/** The kubelet tells of the end of a pod; without it nobody knows whether the process still runs. */
function lostBlocker(pod: LivePod, silent: ReadonlyMap<string, number>, nowMs: number): Blocker | undefined {
  const { deletionTimestamp } = pod.metadata;
  const machine = pod.spec?.nodeName ?? "";
  const isEnding = deletionTimestamp === undefined ? "" : "Terminating on ";
  const silentSinceMs = silent.get(machine);
  if (silentSinceMs !== undefined) {
    return blocker(pod, "MachineLost", `${isEnding}machine ${machine}, which does not answer`, silentSinceMs);
  }
  const dueMs = Date.parse(deletionTimestamp ?? "");
  if (Number.isNaN(dueMs) || nowMs < dueMs + SLOW_DELETION_MS) return undefined;
  return blocker(pod, "MachineLost", `${isEnding}machine ${machine}, which does not confirm its end`, dueMs);
}

function schedulingBlocker(pod: LivePod): Blocker | undefined {
  const scheduled = conditionOf(pod, "PodScheduled");
  if (scheduled?.status !== "False") return undefined;
  const message = scheduled.message ?? scheduled.reason ?? "";
  const sinceMs = Date.parse(scheduled.lastTransitionTime ?? pod.metadata.creationTimestamp);
  if (/volume node affinity|PersistentVolume's node affinity/i.test(message)) {
    return blocker(
      pod,
      "VolumeOnLostMachine",
      `claim ${DATA_VOLUME}-${pod.metadata.name}: ${message}`,
      sinceMs,
    );
  }
  const unbound = /unbound immediate PersistentVolumeClaims|persistentvolumeclaim ".*" not found/i.test(
    message,
  );
  return blocker(pod, unbound ? "VolumePending" : "PodUnschedulable", message, sinceMs);
}

function containerBlocker(pod: LivePod, nowMs: number): Blocker | undefined {
  const container = nodeContainerOf(pod);
  const waiting = container?.state?.waiting;
  if (!container || !waiting) return undefined;
  const sinceMs = Date.parse(
    container.lastState?.terminated?.finishedAt ?? conditionOf(pod, "PodScheduled")?.lastTransitionTime ?? "",
  );
  const reason = waiting.reason ?? "";
  const evidence = waiting.message === undefined ? reason : `${reason}: ${waiting.message}`;
  if (IMAGE_REASONS.has(reason)) return blocker(pod, "ImagePullFailed", evidence, sinceMs);
  if (CONTAINER_REASONS.has(reason)) return blocker(pod, "PodNotStarting", evidence, sinceMs);
  if (reason === "CrashLoopBackOff") {
    const { containerID = "" } = container.lastState?.terminated ?? {};
    const end = endOf(pod, { containerId: containerID, ip: "" });
    const last = end === undefined ? evidence : describeEnd(end);
    const unblock = `Remove the cause (kubectl logs ${pod.metadata.name} --previous); it is started again by itself.`;
    return { ...blocker(pod, "WorkloadBackOff", last, sinceMs), unblock };
  }
  const slow = nowMs - sinceMs > SLOW_CREATION_MS;
  return slow ? blocker(pod, "VolumePending", `${evidence}, for longer than usual`, sinceMs) : undefined;
}

function blocker(pod: LivePod, rule: Reason, evidence: string, sinceMs: number): Blocker {
  const since = Number.isNaN(sinceMs) ? Date.parse(pod.metadata.creationTimestamp) : sinceMs;
  return { rule, evidence: `${pod.metadata.name}: ${evidence}`, since, unblock: NEXT_STEP[rule] };
}
