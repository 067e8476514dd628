/** Who leads changes fast, and what the one before left behind is still there. */
import { calmSchedule } from "../plan-schedule.js";
import type { Scenario } from "../schedule.js";

const FROM_MS = 800;

export const TWO_FAST_PROMOTIONS: Scenario = {
  name: "twoFastPromotions",
  about: "a primary is cut off with entries of its own, and its successor dies before it has replaced them",
  schedule: (seed) => ({
    ...calmSchedule(seed),
    tosses: true,
    activeMs: 2600,
    faults: [
      { atMs: 800 + (seed % 50), kind: "isolate", node: "primary", peersOnly: true, forMs: 700 },
      {
        after: "activated",
        nth: 1,
        fromMs: FROM_MS,
        delayMs: seed % 30,
        kind: "crash",
        node: "self",
        downMs: 250,
      },
      {
        after: "activated",
        nth: 2,
        fromMs: FROM_MS,
        delayMs: seed % 45,
        kind: "crash",
        node: "self",
        downMs: 250,
      },
    ],
  }),
};

export const ACTIVATION_INTERRUPTED: Scenario = {
  name: "activationInterrupted",
  about: "a new primary crashes while its first entry is on its way to disk or to the others",
  schedule: (seed) => ({
    ...calmSchedule(seed),
    activeMs: 2400,
    faults: [
      { atMs: 800, kind: "crash", node: "primary", downMs: 200 },
      {
        after: "activated",
        nth: 1,
        fromMs: FROM_MS,
        delayMs: 0,
        kind: "crashAtIo",
        node: "self",
        point: (["commitBegins", "commitDone", "send"] as const)[seed % 3]!,
        count: 1 + (seed % 4),
        downMs: 150,
      },
    ],
  }),
};

export const TERM_BEFORE_MAP: Scenario = {
  name: "termBeforeMap",
  about: "copies hear of a new term from its primary, long before the control plane reaches them",
  schedule: (seed) => ({
    ...calmSchedule(seed),
    activeMs: 2400,
    faults: [
      { atMs: 790, kind: "cutOperator", node: "replica", oneWay: true, forMs: 400 + (seed % 300) },
      { atMs: 800, kind: "crash", node: "primary", downMs: 120 },
      { atMs: 1300, kind: "crash", node: "primary", downMs: 60 },
    ],
  }),
};
