/** Every directed scenario, by name. */
import type { Scenario } from "../schedule.js";
import { STEADY_CLUSTER } from "./steady-cluster.js";

export const SCENARIOS: readonly Scenario[] = [STEADY_CLUSTER];

/** @throws {RangeError} when there is none of this name. */
export function findScenario(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name);
  if (found !== undefined) return found;
  throw new RangeError(`no scenario ${name}; there are ${SCENARIOS.map((one) => one.name).join(", ")}`);
}
