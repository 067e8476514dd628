/** A cluster to which nothing happens: what every other scenario is held against. */
import { calmSchedule } from "../plan-schedule.js";
import type { Scenario } from "../schedule.js";

export const STEADY_CLUSTER: Scenario = {
  name: "steadyCluster",
  about: "nothing fails",
  schedule: (seed) => ({ ...calmSchedule(seed), activeMs: 2500 }),
};
