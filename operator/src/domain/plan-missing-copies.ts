/**
 * Which copies to fill anew (protocol 7.1). A node that held a copy is preferred: its old data saves
 * the transfer. While such a node is away its copy is waited for, rebuildDelaySeconds long: a reboot
 * is not worth a rebuild.
 */
import { PASS, type Verdict } from "./action.js";
import type { ObservedNode, ShardObservation } from "./shard-observation.js";
import type { AllocationId, DepartedCopy, NodeId } from "./shard-record.js";

/** First pause before a copy that failed on its node is tried there again; doubles with each attempt. */
const RETRY_BASE_MS = 1000;
const RETRY_MAX_MS = 60_000;
/** A node on which more copies than this failed in a row is the last choice: its disk may be at fault. */
const FAILURES_MAX = 3;

export function planMissingCopies(observation: ShardObservation): Verdict {
  const { record, settings, nodes, nowMs } = observation;
  let missing = settings.factor - record.copies.length;
  // Without a primary that leads there is nobody to fill a copy.
  if (missing <= 0 || record.bootstrap !== "") return PASS;
  if (settings.paused) {
    const evidence = { wanted: settings.factor, present: record.copies.length };
    return { kind: "wait", reason: "Paused", retryAtMs: undefined, evidence };
  }
  const usedNodes = new Set(record.copies.map((copy) => copy.node));
  const usedDomains = new Set(record.copies.map((copy) => nodes.get(copy.node)?.domain));
  const isOpen = (node: ObservedNode): boolean =>
    node.state === "alive" && node.accepting && !usedNodes.has(node.id) && !usedDomains.has(node.domain);

  let retryAtMs: number | undefined;
  let lastChoice: ObservedNode | undefined;
  const keepFailing = new Set<NodeId>();
  const waitedFor: DepartedCopy[] = [];
  for (const departed of record.departed) {
    const node = nodes.get(departed.node);
    if (!node || usedNodes.has(node.id) || usedDomains.has(node.domain)) continue;
    const keepsFailing = isOpen(node) && departed.attempts > FAILURES_MAX;
    if (keepsFailing) keepFailing.add(node.id);
    const atMs = isOpen(node) ? departed.at + retryDelayMs(departed) : departed.at + settings.rebuildDelayMs;
    if (nowMs < atMs) {
      waitedFor.push(departed);
      retryAtMs = Math.min(retryAtMs ?? atMs, atMs);
      if (!keepsFailing) missing -= 1;
    } else if (keepsFailing) {
      lastChoice ??= node;
    } else if (isOpen(node)) {
      return add(observation, node);
    }
  }
  if (missing > 0) {
    const waitedNodes = waitedFor.filter((departed) => !keepFailing.has(departed.node));
    const waitedDomains = new Set(waitedNodes.map((departed) => nodes.get(departed.node)?.domain));
    const [best] = [...nodes.values()]
      .filter((node) => isOpen(node) && !waitedDomains.has(node.domain) && !keepFailing.has(node.id))
      .sort(
        (left, right) => preference(observation, left) - preference(observation, right) || byId(left, right),
      );
    const choice = best ?? lastChoice;
    if (choice) return add(observation, choice);
  }
  return wait(observation, waitedFor, retryAtMs);
}

function add(observation: ShardObservation, node: ObservedNode): Verdict {
  const { record, name, resourceVersion, nonce } = observation;
  const { uid, version, term } = record;
  // The version makes the id unique among those this record ever gave out, the nonce also among
  // those of a record that was put back.
  const id = `${version + 1}-${nonce}` as AllocationId;
  return {
    kind: "act",
    actions: [
      {
        kind: "changeRecord",
        shard: name,
        precondition: { uid, resourceVersion, version, term },
        change: { kind: "addRecovering", copy: { id, node: node.id, zone: node.zone } },
        reason: "CopyAdded",
        evidence: { node: node.name, zone: node.zone, deltaBase: holdsData(observation, node.id) },
        request: undefined,
        note: undefined,
      },
    ],
  };
}

function wait(
  observation: ShardObservation,
  waitedFor: readonly DepartedCopy[],
  retryAtMs: number | undefined,
): Verdict {
  const { settings, record, domains } = observation;
  const evidence = {
    wanted: settings.factor,
    present: record.copies.length,
    nodes: waitedFor.map((departed) => observation.nodes.get(departed.node)?.name ?? departed.node),
  };
  if (waitedFor.length > 0) return { kind: "wait", reason: "WaitingForNode", retryAtMs, evidence };
  const reason = domains < settings.factor ? "NotEnoughDomains" : "NoNodeWithCapacity";
  return { kind: "wait", reason, retryAtMs: undefined, evidence };
}

/** A copy lost with its node or connection may return at once; one that failed there, after a pause. */
function retryDelayMs(departed: DepartedCopy): number {
  switch (departed.reason) {
    case "NodeDead":
    case "WorkloadExited":
    case "PrimarySuspect":
    case "ReplicaDisconnected":
      if (departed.attempts <= 2) return 0;
      break;
    default:
      break;
  }
  return Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** Math.min(departed.attempts - 1, 10));
}

function preference(observation: ShardObservation, node: ObservedNode): number {
  const load = (observation.loadOf(node.id).copies + 1) / node.weight;
  return holdsData(observation, node.id) ? load - 1e9 : load;
}

/** It reports a copy of this shard that is in neither set: something to start from. */
function holdsData(observation: ShardObservation, node: NodeId): boolean {
  return observation.copies.some((copy) => copy.node === node && copy.failure === undefined);
}

function byId(left: ObservedNode, right: ObservedNode): number {
  return left.id < right.id ? -1 : 1;
}
