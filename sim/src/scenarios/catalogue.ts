/** Every directed scenario, by name. */
import type { Scenario } from "../schedule.js";
import {
  IDENTITY_SEEN_LATE,
  LOST_RECORD,
  OLDER_RECORD,
  RECORD_LOST_UNHEARD,
  RECORD_MADE_AGAIN,
  TWO_CONTROL_PLANES,
} from "./control-planes.js";
import {
  GIVEN_UP_ALIVE,
  LOST_BEFORE_ITS_FIRST_COPY,
  LOST_WHILE_FILLING,
  LOST_WITH_ITS_VOLUME,
} from "./data-loss.js";
import {
  HAND_OFF_UNDER_FIRE,
  JOIN_GIVEN_UP,
  POWER_LOSS,
  SNAPSHOT_BROKEN_OFF,
  SLOW_COPY,
  SNAPSHOT_LOST,
} from "./copies.js";
import { ACTIVATION_INTERRUPTED, TERM_BEFORE_MAP, TWO_FAST_PROMOTIONS } from "./promotions.js";
import { STEADY_CLUSTER } from "./steady-cluster.js";

export const SCENARIOS: readonly Scenario[] = [
  STEADY_CLUSTER,
  TWO_FAST_PROMOTIONS,
  ACTIVATION_INTERRUPTED,
  TERM_BEFORE_MAP,
  JOIN_GIVEN_UP,
  SNAPSHOT_BROKEN_OFF,
  SNAPSHOT_LOST,
  SLOW_COPY,
  HAND_OFF_UNDER_FIRE,
  POWER_LOSS,
  OLDER_RECORD,
  TWO_CONTROL_PLANES,
  IDENTITY_SEEN_LATE,
  LOST_WITH_ITS_VOLUME,
  LOST_BEFORE_ITS_FIRST_COPY,
  LOST_WHILE_FILLING,
  GIVEN_UP_ALIVE,
  LOST_RECORD,
  RECORD_MADE_AGAIN,
  RECORD_LOST_UNHEARD,
];

/** @throws {RangeError} when there is none of this name. */
export function findScenario(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name);
  if (found !== undefined) return found;
  throw new RangeError(`no scenario ${name}; there are ${SCENARIOS.map((one) => one.name).join(", ")}`);
}
