/** Data is lost for good, and a person goes on with what is left. */
import { BASE_SHAPE, calmSchedule } from "../plan-schedule.js";
import type { Fault, Scenario } from "../schedule.js";

const SHAPE = { ...BASE_SHAPE, minReplicasForWrite: 1, suspectTimeoutMs: 300, rebuildDelaySeconds: 0 };

export const LOST_WITH_ITS_VOLUME: Scenario = {
  name: "lostWithItsVolume",
  about: "the last copy in sync is lost with its volume; a person goes on with one that had left the set",
  schedule: (seed) => ({
    ...calmSchedule(seed),
    shape: SHAPE,
    logEntries: seed % 2 === 0 ? 4 : 50_000,
    client: { ...calmSchedule(seed).client, thinkMs: 30 },
    activeMs: 3600,
    faults: [
      { atMs: 800, kind: "crash", node: "replica", downMs: 1100 },
      { atMs: 1000 + (seed % 60), kind: "crash", node: "replica", downMs: 900 + (seed % 90) },
      { atMs: 1600, kind: "replaceVolume", node: "primary", downMs: 60 + (seed % 900), evenTheLast: true },
      { atMs: 1700, kind: "acceptDataLoss" },
      ...(seed % 3 === 0 ? [crashOfTheChosen(seed)] : []),
    ],
  }),
};

export const LOST_BEFORE_ITS_FIRST_COPY: Scenario = {
  name: "lostBeforeItsFirstCopy",
  about: "a new shard's first primary is lost with its volume before any other copy was filled",
  schedule: (seed) => ({
    ...calmSchedule(seed),
    shape: SHAPE,
    activeMs: 2600,
    faults: [
      {
        after: "activated",
        nth: 1,
        delayMs: seed % 12,
        kind: "replaceVolume",
        node: "self",
        downMs: 100 + (seed % 200),
        evenTheLast: true,
      },
      { atMs: 700 + (seed % 400), kind: "acceptDataLoss" },
    ],
  }),
};

export const LOST_WHILE_FILLING: Scenario = {
  name: "lostWhileFilling",
  about: "the only copy in sync is lost while a snapshot of it is on its way to another disk",
  schedule: (seed) => ({
    ...calmSchedule(seed),
    shape: { ...SHAPE, nodes: 2, zones: 2, factor: 2 },
    syncMs: 4,
    logEntries: 4,
    client: { ...calmSchedule(seed).client, thinkMs: 20 },
    activeMs: 3400,
    faults: [
      { atMs: 900, kind: "replaceVolume", node: "replica", downMs: 100 },
      {
        after: seed % 3 === 0 ? "snapshotStarted" : "snapshotInstalled",
        nth: 1,
        fromMs: 900,
        delayMs: seed % 9,
        kind: "replaceVolume",
        node: "primary",
        downMs: 150,
        evenTheLast: true,
      },
      { atMs: 1300, kind: "acceptDataLoss" },
      ...(seed % 2 === 0 ? [crashOfTheChosen(seed)] : []),
    ],
  }),
};

export const GIVEN_UP_ALIVE: Scenario = {
  name: "givenUpAlive",
  about: "a cut-off primary counts as dead and is given up, while it goes on; later it comes back",
  schedule: (seed) => ({
    ...calmSchedule(seed),
    shape: SHAPE,
    activeMs: 4200,
    faults: [
      { atMs: 800, kind: "crash", node: "replica", downMs: 700 },
      { atMs: 1000, kind: "crash", node: "replica", downMs: 500 + (seed % 90) },
      { atMs: 1300, kind: "isolate", node: "primary", peersOnly: false, forMs: 1500 + (seed % 700) },
      { atMs: 1400, kind: "acceptDataLoss" },
      ...(seed % 3 === 0 ? [crashOfTheChosen(seed)] : []),
    ],
  }),
};

function crashOfTheChosen(seed: number): Fault {
  const moment = { after: "historyStarted", nth: 1, delayMs: seed % 7 } as const;
  return { ...moment, kind: "crash", node: "self", downMs: 80 + (seed % 100) };
}
