/** Control planes that know too little, or are too many. */
import { BASE_SHAPE, calmSchedule } from "../plan-schedule.js";
import type { Scenario } from "../schedule.js";

export const OLDER_RECORD: Scenario = {
  name: "olderRecord",
  about: "a shard's record is put back to what it was some changes ago, and later put right",
  schedule: (seed) => ({
    ...calmSchedule(seed),
    activeMs: 2600,
    faults: [{ atMs: 1000 + (seed % 200), kind: "restoreRecord", versionsBack: 1 + (seed % 3), forMs: 700 }],
  }),
};

export const LOST_RECORD: Scenario = {
  name: "lostRecord",
  about: "a shard's record is deleted or emptied while copies and control planes fail, and later put right",
  schedule: (seed) => ({
    ...calmSchedule(seed),
    activeMs: 3000,
    faults: [
      {
        atMs: 900 + (seed % 200),
        kind: "loseRecord",
        how: seed % 3 === 0 ? "emptied" : "deleted",
        forMs: 600 + (seed % 500),
      },
      { atMs: 1200, kind: "crash", node: seed % 2 === 0 ? "primary" : "replica", downMs: 200 },
      { atMs: 1300 + (seed % 100), kind: "operatorCrash", downMs: 100 },
    ],
  }),
};

export const RECORD_MADE_AGAIN: Scenario = {
  name: "recordMadeAgain",
  about:
    "a shard's record is deleted, emptied or put back while copies and control planes fail; nobody puts it right",
  schedule: (seed) => ({
    ...calmSchedule(seed),
    activeMs: 3000,
    faults: [
      seed % 4 === 0
        ? { atMs: 900 + (seed % 200), kind: "restoreRecord", versionsBack: 1 + (seed % 3) }
        : { atMs: 900 + (seed % 200), kind: "loseRecord", how: seed % 4 === 1 ? "emptied" : "deleted" },
      { atMs: 800 + (seed % 300), kind: "crash", node: seed % 2 === 0 ? "primary" : "replica", downMs: 200 },
      { atMs: 1300 + (seed % 100), kind: "operatorCrash", downMs: 100 },
      { atMs: 1900 + (seed % 300), kind: "crash", node: "primary", downMs: 150 },
    ],
  }),
};

export const RECORD_LOST_UNHEARD: Scenario = {
  name: "recordLostUnheard",
  about:
    "one copy alone has heard of a shard's last changes and acknowledged by them; it is away when the record is lost",
  schedule: (seed) => ({
    ...calmSchedule(seed),
    shape: { ...BASE_SHAPE, minReplicasForWrite: 1 },
    client: { ...calmSchedule(seed).client, thinkMs: 20 },
    activeMs: 4200,
    faults: [
      { atMs: 800, kind: "crash", node: "replica", downMs: 1000 + (seed % 90) },
      { atMs: 860 + (seed % 40), kind: "crash", node: "replica", downMs: 900 + (seed % 90) },
      { atMs: 1500 + (seed % 100), kind: "crash", node: "primary", downMs: 1500 },
      { atMs: 1620, kind: "loseRecord", how: seed % 2 === 0 ? "emptied" : "deleted", evenUnheard: true },
    ],
  }),
};

export const TWO_CONTROL_PLANES: Scenario = {
  name: "twoControlPlanes",
  about:
    "a second control plane leads from a watch that is behind, while the first still acts and a primary fails",
  schedule: (seed) => ({
    ...calmSchedule(seed),
    store: { ...calmSchedule(seed).store, delayMs: 8, repeatedEvents: 0.2 },
    exitNotices: seed % 2 === 0,
    activeMs: 3000,
    faults: [
      { atMs: 800, kind: "staleWatch", forMs: 500 },
      { atMs: 850, kind: "crash", node: "primary", downMs: 150 },
      { atMs: 860 + (seed % 200), kind: "secondOperator", forMs: 600 },
      { atMs: 1500, kind: "staleWatch", forMs: 400 },
      { atMs: 1550, kind: "isolate", node: "primary", peersOnly: true, forMs: 400 },
    ],
  }),
};

export const IDENTITY_SEEN_LATE: Scenario = {
  name: "identitySeenLate",
  about: "a node comes back on an empty volume, and the store is slow to tell of its new identity",
  schedule: (seed) => ({
    ...calmSchedule(seed),
    shape: { ...BASE_SHAPE, shards: 2, suspectTimeoutMs: 300, rebuildDelaySeconds: 0 },
    store: { ...calmSchedule(seed).store, delayMs: 4 + (seed % 30) },
    network: { ...calmSchedule(seed).network, jitterMs: 2 + (seed % 40) },
    activeMs: 2600,
    faults: [
      { atMs: 800, kind: "replaceVolume", node: "replica", downMs: 30 + (seed % 300) },
      { atMs: 1700, kind: "replaceVolume", node: "primary", downMs: 400 },
    ],
  }),
};
