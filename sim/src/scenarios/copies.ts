/** Copies come and go while everything else does too. */
import { BASE_SHAPE, calmSchedule } from "../plan-schedule.js";
import type { Scenario } from "../schedule.js";

export const JOIN_GIVEN_UP: Scenario = {
  name: "joinGivenUp",
  about: "a copy catches up, is counted, and is cut off before the store knows of it",
  schedule: (seed) => ({
    ...calmSchedule(seed),
    store: { ...calmSchedule(seed).store, delayMs: 20 },
    activeMs: 2600,
    faults: [
      { atMs: 800, kind: "crash", node: "replica", downMs: 300 },
      {
        after: "joinStarted",
        nth: 1,
        fromMs: 810,
        delayMs: seed % 12,
        kind: "isolate",
        node: "recovering",
        peersOnly: true,
        forMs: 500,
      },
    ],
  }),
};

export const SNAPSHOT_BROKEN_OFF: Scenario = {
  name: "snapshotBrokenOff",
  about: "an empty volume is filled by a snapshot, and sender or receiver dies meanwhile",
  schedule: (seed) => ({
    ...calmSchedule(seed),
    logEntries: 4,
    activeMs: 2800,
    faults: [
      { atMs: 900, kind: "replaceVolume", node: "replica", downMs: 100 },
      {
        after: "snapshotStarted",
        nth: 1,
        fromMs: 900,
        delayMs: seed % 6,
        kind: "crash",
        node: seed % 2 === 0 ? "self" : "recovering",
        downMs: 200,
      },
    ],
  }),
};

export const SNAPSHOT_LOST: Scenario = {
  name: "snapshotLost",
  about: "an empty volume is filled by a snapshot over a network that loses much of it",
  schedule: (seed) => ({
    ...calmSchedule(seed),
    logEntries: 4,
    tosses: true,
    network: { delayMs: 0.3, jitterMs: 2, loss: 0.3, duplicates: 0.2 },
    shape: { ...BASE_SHAPE, replicaTimeoutMs: 600 },
    activeMs: 2400,
    faults: [
      { atMs: 900, kind: "replaceVolume", node: "replica", downMs: 60 },
      { atMs: 1700, kind: "replaceVolume", node: "replica", downMs: 60 },
    ],
  }),
};

export const HAND_OFF_UNDER_FIRE: Scenario = {
  name: "handOffUnderFire",
  about: "a primary is told to stop, and its target, the control plane or the network fails meanwhile",
  schedule: (seed) => ({
    ...calmSchedule(seed),
    activeMs: 3000,
    faults: [
      { atMs: 900, kind: "stop", node: "primary", downMs: 200 },
      seed % 3 === 0
        ? { after: "handOffStarted", nth: 1, delayMs: seed % 5, kind: "crash", node: "replica", downMs: 150 }
        : seed % 3 === 1
          ? { after: "handOffStarted", nth: 1, delayMs: 0, kind: "storeOutage", forMs: 900 }
          : {
              after: "handOffStarted",
              nth: 1,
              delayMs: 0,
              kind: "cutOperator",
              node: "self",
              oneWay: false,
              forMs: 600,
            },
      { atMs: 1900, kind: "stop", node: "primary", downMs: 100 },
    ],
  }),
};

export const POWER_LOSS: Scenario = {
  name: "powerLoss",
  about: "all nodes lose their power at once, twice, and come back one after another",
  schedule: (seed) => ({
    ...calmSchedule(seed),
    shape: { ...BASE_SHAPE, minReplicasForWrite: 1 + (seed % 2) },
    activeMs: 3200,
    faults: [
      { atMs: 900, kind: "powerLoss", downMs: [100 + (seed % 300), 60, 500] },
      { atMs: 2000, kind: "powerLoss", downMs: [80, 700, 90 + (seed % 500)] },
    ],
  }),
};

export const SLOW_COPY: Scenario = {
  name: "slowCopy",
  about: "a copy answers, and stays behind for longer than it may",
  schedule: (seed) => ({
    ...calmSchedule(seed),
    shape: { ...BASE_SHAPE, replicaTimeoutMs: 500, slowReplicaTimeoutMs: 500 },
    syncMs: 4,
    activeMs: 3200,
    faults: [
      { atMs: 800, kind: "slowDisk", node: "replica", forMs: 1300 + (seed % 400) },
      { atMs: 2600, kind: "crash", node: "primary", downMs: 100 },
    ],
  }),
};
