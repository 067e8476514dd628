/** Situations in which rare faults of the whole system show; calm but for what they are about. */
import { calmSchedule } from "../plan-schedule.js";
import { Random } from "../runtime/random.js";
import { RECORD_LOST_UNHEARD } from "../scenarios/control-planes.js";
import type { Fault, FaultAction, Scenario, Schedule } from "../schedule.js";

type Draw = (random: Random, schedule: Schedule) => FaultAction | readonly Later[];

/** One of several faults that belong together, so long after the first. */
type Later = FaultAction & { readonly afterMs: number };

/** `count` times one of the draws, at random moments between the start of the cluster and the end of the work. */
function scenario(
  name: string,
  about: string,
  count: number,
  draws: readonly Draw[],
  change: (calm: Schedule, random: Random) => Partial<Schedule>,
): Scenario {
  return {
    name,
    about,
    schedule: (seed) => {
      const random = new Random(seed, name);
      const calm = calmSchedule(seed);
      const schedule = { ...calm, ...change(calm, random) };
      const faults = Array.from({ length: count }, (): readonly Fault[] => {
        const atMs = Math.round(random.between(600, schedule.activeMs - 300));
        const drawn = random.pick(draws)(random, schedule);
        if ("kind" in drawn) return [{ atMs, ...drawn }];
        return drawn.map(({ afterMs, ...action }) => ({ atMs: atMs + afterMs, ...action }));
      });
      return { ...schedule, faults: faults.flat().sort(byMoment) };
    },
  };
}

function byMoment(one: Fault, other: Fault): number {
  return ("atMs" in one ? one.atMs : 0) - ("atMs" in other ? other.atMs : 0);
}

const crashOfPrimary: Draw = (random) => ({ kind: "crash", node: "primary", downMs: random.below(800) + 20 });
const crashOfReplica: Draw = (random) => ({
  kind: "crash",
  node: "replica",
  downMs: random.below(1500) + 20,
});
const isolation: Draw = (random) => ({
  kind: "isolate",
  node: "primary",
  peersOnly: true,
  forMs: 300 + random.below(1200),
});

const IMPATIENT = { clients: 6, documents: 4, thinkMs: 15, timeoutMs: 3000, attemptTimeoutMs: 120, reads: 0 };

export const SABOTEUR_SCENARIOS: readonly Scenario[] = [
  scenario(
    "impatientClients",
    "clients try again before the first attempt is through",
    5,
    [
      crashOfPrimary,
      crashOfReplica,
      (random) => ({ kind: "slowDisk", node: "replica", forMs: 500 + random.below(800) }),
    ],
    () => ({ client: IMPATIENT, syncMs: 4 }),
  ),
  scenario(
    "failovers",
    "the primary is cut off or ends, again and again, under clients that soon give up",
    8,
    [
      crashOfPrimary,
      isolation,
      isolation,
      (random) => ({ kind: "pause", node: "primary", forMs: 400 + random.below(900) }),
    ],
    (calm) => ({
      activeMs: 5000,
      client: { ...IMPATIENT, attemptTimeoutMs: 450, timeoutMs: 500 },
      shape: { ...calm.shape, minReplicasForWrite: 1, suspectTimeoutMs: 400, rebuildDelaySeconds: 0 },
    }),
  ),
  scenario(
    "comingAndGoing",
    "replicas leave the set and come back, over a network that doubles and delays",
    8,
    [
      crashOfReplica,
      (random) => ({
        kind: "cut",
        from: "primary",
        to: "replica",
        oneWay: random.chance(0.5),
        forMs: 200 + random.below(700),
      }),
    ],
    (calm) => ({
      activeMs: 6000,
      tosses: true,
      network: { delayMs: 0.5, jitterMs: 40, loss: 0.02, duplicates: 0.3 },
      client: { ...calm.client, thinkMs: 20 },
      shape: { ...calm.shape, minReplicasForWrite: 1, replicaTimeoutMs: 150, rebuildDelaySeconds: 0 },
    }),
  ),
  scenario(
    "twoControlPlanes",
    "two control planes act at once while primaries fail",
    6,
    [
      (random) => ({ kind: "secondOperator", forMs: 800 + random.below(1500) }),
      (random) => ({ kind: "secondOperator", forMs: 800 + random.below(1500) }),
      crashOfPrimary,
      (random) => ({ kind: "staleWatch", forMs: 300 + random.below(900) }),
    ],
    (calm) => ({
      activeMs: 6000,
      store: { delayMs: 15, conflicts: 0, lostAnswers: 0.05, repeatedEvents: 0.1 },
      shape: { ...calm.shape, minReplicasForWrite: 1, rebuildDelaySeconds: 0 },
    }),
  ),
  scenario(
    "emptyVolume",
    "a replica comes back on an empty volume while the primary is away",
    1,
    [
      (random) => [
        { afterMs: 0, kind: "crash", node: "primary", downMs: 1500 + random.below(500) },
        { afterMs: 2, kind: "replaceVolume", node: "replica", downMs: 10 + random.below(50) },
      ],
    ],
    (calm) => ({ shape: { ...calm.shape, factor: 2, minReplicasForWrite: 1, rebuildDelaySeconds: 3 } }),
  ),
  scenario(
    "refilling",
    "empty nodes are filled while clients try again and primaries end",
    4,
    [
      (random) => ({ kind: "replaceVolume", node: "replica", downMs: 20 + random.below(200) }),
      crashOfPrimary,
      crashOfReplica,
    ],
    (calm) => ({
      activeMs: 6000,
      client: IMPATIENT,
      shape: { ...calm.shape, minReplicasForWrite: 1, rebuildDelaySeconds: 0 },
    }),
  ),
  scenario(
    "crowdedZones",
    "more nodes than zones, and nodes that are lost for good",
    3,
    [(random) => ({ kind: "replaceVolume", node: random.pick(["primary", "replica"]), downMs: 3000 })],
    (calm) => ({ shape: { ...calm.shape, nodes: 5, zones: 3, rebuildDelaySeconds: 0 }, activeMs: 5000 }),
  ),
  scenario(
    "restoredBackup",
    "the record is put back to an older one, and the primary fails",
    2,
    [
      (random) => [
        { afterMs: 0, kind: "crash", node: "replica", downMs: 400 },
        { afterMs: 500, kind: "restoreRecord", versionsBack: 1 + random.below(2), forMs: 900 },
        {
          afterMs: 500 + random.below(100),
          kind: "crash",
          node: random.pick(["primary", "replica"]),
          downMs: 300,
        },
      ],
    ],
    (calm) => ({ activeMs: 5000, shape: { ...calm.shape, minReplicasForWrite: 1, rebuildDelaySeconds: 0 } }),
  ),
  scenario(
    "lostRecords",
    "a shard's record is deleted",
    2,
    [(random) => ({ kind: "loseRecord", how: "deleted", forMs: 400 + random.below(600) }), crashOfReplica],
    (calm) => ({ activeMs: 4000, shape: { ...calm.shape, minReplicasForWrite: 1 } }),
  ),
  scenario(
    "givenUp",
    "the last copy in sync is cut off and given up, and comes back",
    1,
    [
      (random) => [
        { afterMs: 0, kind: "crash", node: "replica", downMs: 700 + random.below(300) },
        { afterMs: 150, kind: "crash", node: "replica", downMs: 550 + random.below(300) },
        { afterMs: 400, kind: "isolate", node: "primary", peersOnly: false, forMs: 1300 + random.below(400) },
        { afterMs: 500, kind: "acceptDataLoss" },
      ],
    ],
    (calm) => ({
      activeMs: 4000,
      shape: { ...calm.shape, minReplicasForWrite: 1, suspectTimeoutMs: 300, rebuildDelaySeconds: 0 },
    }),
  ),
  {
    name: "givenUpBeforeDisk",
    about: "the only copy in sync is lost as its snapshot arrives, and the one that took it is gone on with",
    schedule: (seed) => {
      const calm = calmSchedule(seed);
      const random = new Random(seed, "givenUpBeforeDisk");
      const atMs = 700 + random.below(300);
      return {
        ...calm,
        activeMs: 4500,
        syncMs: 8,
        logEntries: 4,
        client: { ...IMPATIENT, clients: 8, attemptTimeoutMs: 60 },
        shape: {
          ...calm.shape,
          nodes: 2,
          zones: 2,
          factor: 2,
          minReplicasForWrite: 1,
          suspectTimeoutMs: 300,
          rebuildDelaySeconds: 0,
        },
        faults: [
          { atMs, kind: "replaceVolume", node: "replica", downMs: 20 },
          { atMs: atMs + 10, kind: "acceptDataLoss" },
          // Answers come too late, so that clients try again what the snapshot holds.
          { atMs: atMs + 100, kind: "clog", node: "primary", forMs: 250, extraMs: 300 },
          {
            after: "snapshotInstalled",
            nth: 1,
            fromMs: atMs,
            delayMs: 0,
            kind: "slowDisk",
            node: "self",
            forMs: 400,
          },
          {
            after: "snapshotInstalled",
            nth: 1,
            fromMs: atMs,
            delayMs: 0,
            kind: "replaceVolume",
            node: "primary",
            downMs: 5,
            evenTheLast: true,
          },
        ],
      };
    },
  },
  RECORD_LOST_UNHEARD,
];
