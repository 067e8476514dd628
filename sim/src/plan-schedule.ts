/** A schedule from a seed: how big the world is, how it behaves, and which faults come when. */
import { Random } from "./runtime/random.js";
import type { ClusterShape, Fault, FaultAction, NodeName, NodeTarget, Schedule } from "./schedule.js";

/** What schedules have in common unless they say otherwise. */
export const BASE_SHAPE: ClusterShape = {
  nodes: 3,
  zones: 3,
  shards: 1,
  factor: 3,
  minReplicasForWrite: 2,
  heartbeatIntervalMs: 200,
  suspectTimeoutMs: 800,
  replicaTimeoutMs: 300,
  slowReplicaTimeoutMs: 10_000,
  rebuildDelaySeconds: 1,
};

/** A well-behaved world without faults: what directed scenarios start from. */
export function calmSchedule(seed: number): Schedule {
  return {
    seed,
    shape: BASE_SHAPE,
    client: { clients: 4, documents: 6, thinkMs: 60, timeoutMs: 4000, attemptTimeoutMs: 1500, reads: 0.3 },
    network: { delayMs: 0.3, jitterMs: 1, loss: 0, duplicates: 0 },
    store: { delayMs: 1, conflicts: 0, lostAnswers: 0, repeatedEvents: 0 },
    tosses: false,
    exitNotices: true,
    syncMs: 0.6,
    logEntries: 50_000,
    clockSkewMs: 0,
    clockDrift: 0,
    activeMs: 4000,
    quietMs: 40_000,
    faults: [],
  };
}

/** How likely each kind is, in parts. */
const KINDS: readonly (readonly [FaultAction["kind"], number])[] = [
  ["crash", 14],
  ["crashAtIo", 16],
  ["pause", 8],
  ["stop", 5],
  ["replaceVolume", 4],
  ["powerLoss", 3],
  ["cut", 10],
  ["isolate", 7],
  ["clog", 5],
  ["reset", 6],
  ["slowDisk", 4],
  ["fullDisk", 2],
  ["clockJump", 2],
  ["operatorCrash", 5],
  ["operatorPause", 3],
  ["operatorClockJump", 1],
  ["secondOperator", 5],
  ["cutOperator", 6],
  ["storeOutage", 4],
  ["staleWatch", 5],
];
const KINDS_TOTAL = KINDS.reduce((sum, [, parts]) => sum + parts, 0);

/** Nothing happens to a cluster that is still being made. */
const FIRST_FAULT_MS = 420;

export function planSchedule(seed: number): Schedule {
  const random = new Random(seed, "plan");
  const calm = calmSchedule(seed);
  const shape = planShape(random);
  const hostile = random.chance(0.6);
  const activeMs = random.between(1600, 2900);
  const count = 4 + random.below(5);
  const names = nodeNames(shape);
  const faults = Array.from({ length: count }, (): Fault => {
    const at = random.between(FIRST_FAULT_MS, activeMs - 150);
    return { atMs: Math.round(at), ...planFault(random, names) };
  });
  if (random.chance(0.5)) faults.push(planTriggered(random, names));
  faults.push(...planDataLoss(new Random(seed, "data loss"), shape, activeMs));
  return {
    ...calm,
    shape,
    client: {
      ...calm.client,
      clients: 3 + random.below(3),
      documents: random.pick([2, 5, 12]),
      thinkMs: random.between(15, 40),
      attemptTimeoutMs: random.pick([300, 800, 1500]),
    },
    network: {
      delayMs: random.between(0.1, 1),
      jitterMs: random.pick([0.5, 3, 20]),
      loss: hostile ? random.pick([0, 0.02, 0.1]) : 0,
      duplicates: hostile ? random.pick([0, 0.02, 0.1]) : 0,
    },
    store: {
      delayMs: random.pick([0.5, 3, 15]),
      conflicts: random.pick([0, 0.02, 0.1]),
      lostAnswers: random.pick([0, 0, 0.05]),
      repeatedEvents: random.pick([0, 0.1]),
    },
    tosses: hostile,
    exitNotices: random.chance(0.7),
    syncMs: random.pick([0.2, 1, 4]),
    logEntries: random.pick([4, 15, 50_000]),
    clockSkewMs: random.pick([0, 50, 3000]),
    clockDrift: random.pick([0, 0.01, 0.1]),
    activeMs,
    faults: faults.sort((a, b) => ("atMs" in a ? a.atMs : 0) - ("atMs" in b ? b.atMs : 0)),
  };
}

/** Now and then the primary's volume goes, whatever else is left, and a person goes on with that. */
function planDataLoss(random: Random, { shards }: ClusterShape, activeMs: number): Fault[] {
  // Versions of several shards can't be told apart, of which one begins anew.
  if (shards > 1 || !random.chance(0.06)) return [];
  const atMs = Math.round(random.between(FIRST_FAULT_MS, activeMs - 150));
  const downMs = Math.round(random.between(30, 900));
  return [
    { atMs, kind: "replaceVolume", node: "primary", downMs, evenTheLast: true },
    { atMs: atMs + random.below(300), kind: "acceptDataLoss" },
  ];
}

function planShape(random: Random): ClusterShape {
  const nodes = random.pick([3, 3, 3, 3, 4, 5]);
  const zones = random.chance(0.8) ? Math.min(nodes, 4) : 3;
  const factor = random.pick([3, 3, 3, 2]);
  return {
    ...BASE_SHAPE,
    nodes,
    zones,
    factor,
    shards: random.pick([1, 1, 1, 2]),
    minReplicasForWrite: random.pick([1, 2, 2]),
    replicaTimeoutMs: random.pick([150, 300, 600]),
    slowReplicaTimeoutMs: random.pick([600, 10_000]),
    suspectTimeoutMs: random.pick([300, 800]),
    rebuildDelaySeconds: random.pick([0, 0, 1]),
  };
}

export function nodeNames({ nodes, zones }: ClusterShape): NodeName[] {
  return Array.from(
    { length: nodes },
    (_unused, i): NodeName => `node-${"abcdefg"[i % zones]}-${Math.floor(i / zones)}`,
  );
}

/** Moments at which a protocol is most likely to be wrong: something has begun and has not ended. */
const DELICATE = [
  "activated",
  "joinStarted",
  "snapshotStarted",
  "handOffStarted",
  "removalAsked",
  "suffixReplaced",
  "termAdopted",
] as const;

function planTriggered(random: Random, names: readonly NodeName[]): Fault {
  const moment = {
    after: random.pick(DELICATE),
    nth: 1 + random.below(3),
    fromMs: FIRST_FAULT_MS,
    delayMs: random.pick([0, 0, 1, 8, 40]),
  };
  const node = random.pick(["self", "self", "primary", "replica", "recovering"] as const);
  const forMs = Math.round(random.between(30, 700));
  switch (random.below(5)) {
    case 0:
    case 1:
      return { ...moment, kind: "crash", node, downMs: forMs };
    case 2:
      return { ...moment, kind: "isolate", node, peersOnly: random.chance(0.5), forMs };
    case 3:
      return { ...moment, kind: "reset", from: node, to: random.pick(names) };
    default:
      return { ...moment, kind: "cutOperator", node, oneWay: random.chance(0.3), forMs };
  }
}

function planFault(random: Random, names: readonly NodeName[]): FaultAction {
  let dice = random.below(KINDS_TOTAL);
  const [kind] = KINDS.find(([, parts]) => (dice -= parts) < 0)!;
  const anyone = (): NodeTarget =>
    random.chance(0.4) ? "primary" : random.chance(0.3) ? "replica" : random.pick(names);
  const node = anyone();
  const downMs = Math.round(random.pick([30, 100, 300, 900]) * random.between(0.5, 1.5));
  const forMs = Math.round(random.pick([50, 200, 500, 1200]) * random.between(0.5, 1.5));
  switch (kind) {
    case "crash":
    case "stop":
    case "replaceVolume":
      return { kind, node, downMs };
    case "crashAtIo":
      return {
        kind,
        node,
        point: random.pick(["commitBegins", "commitDone", "send"]),
        count: 1 + random.below(12),
        downMs,
      };
    case "powerLoss":
      return { kind, downMs: names.map(() => Math.round(random.between(20, 700))) };
    case "cut":
      return { kind, from: node, to: random.pick(names), oneWay: random.chance(0.5), forMs };
    case "reset":
      return { kind, from: node, to: random.pick(names) };
    case "isolate":
      return { kind, node, peersOnly: random.chance(0.4), forMs };
    case "clog":
      return { kind, node, forMs, extraMs: random.pick([20, 100, 500]) };
    case "pause":
    case "slowDisk":
    case "fullDisk":
      return { kind, node, forMs };
    case "cutOperator":
      return { kind, node, oneWay: random.chance(0.4), forMs };
    case "clockJump":
      return { kind, node, byMs: Math.round(random.between(-5000, 5000)) };
    case "operatorClockJump":
      return { kind, byMs: Math.round(random.between(-5000, 5000)) };
    case "operatorCrash":
      return { kind, downMs };
    case "operatorPause":
    case "secondOperator":
    case "storeOutage":
    case "staleWatch":
      return { kind, forMs };
    case "acceptDataLoss":
      return { kind };
    case "loseRecord":
      return { kind, how: random.pick(["deleted", "emptied"]), forMs };
    case "restoreRecord":
      return { kind, versionsBack: 1 + random.below(3), forMs };
  }
}
