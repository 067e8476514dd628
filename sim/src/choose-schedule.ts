/** The schedule of a seed in a run of many: mostly random, now and then one of the directed scenarios. */
import { planSchedule } from "./plan-schedule.js";
import { SCENARIOS } from "./scenarios/catalogue.js";
import type { Schedule } from "./schedule.js";

/** Every so many seeds: some situations are so rare that chance alone would leave them out. */
const SCENARIO_EVERY = 10;

export function chooseSchedule(seed: number): Schedule {
  if (seed % SCENARIO_EVERY !== 0) return planSchedule(seed);
  return SCENARIOS[(seed / SCENARIO_EVERY) % SCENARIOS.length]!.schedule(seed);
}
