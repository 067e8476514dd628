/** Schedules with the seeds 1, 2, 3, ... until an invariant breaks. */
import type { Hunt } from "./saboteur.js";

export interface HuntBudget {
  readonly schedules: number;
  /** No schedule is begun after this time. */
  readonly timeLimitMs: number;
}

export interface HuntResult {
  /** The invariant that broke first; undefined when none did. */
  readonly caughtBy: string | undefined;
  readonly detail: string;
  /** How many were begun, the one that broke an invariant included: that is its seed. */
  readonly schedules: number;
  /** Of those, how many ended in an exception of the code under test: they prove nothing. */
  readonly aborted: number;
}

type Outcome =
  | { readonly kind: "clean" }
  | { readonly kind: "aborted"; readonly detail: string }
  | { readonly kind: "broken"; readonly invariant: string; readonly detail: string };

const COPY_STOPPED = /^\S+ stopped: /;
const CLEAN: Outcome = { kind: "clean" };

/** Loads the worlds only now, so that a changed module can be put in place before. */
export async function hunt(where: Hunt, budget: HuntBudget): Promise<HuntResult> {
  const run = where.where === "arena" ? await arenaRun(where.profile) : await systemRun(where.scenario);
  const endMs = performance.now() + budget.timeLimitMs;
  let aborted = 0;
  let detail = "";
  let seed = 0;
  while (seed < budget.schedules && performance.now() < endMs) {
    seed += 1;
    const outcome = await run(seed);
    if (outcome.kind === "broken") {
      return { caughtBy: outcome.invariant, detail: outcome.detail, schedules: seed, aborted };
    }
    if (outcome.kind === "aborted") {
      aborted += 1;
      detail = outcome.detail;
    }
  }
  return { caughtBy: undefined, detail, schedules: seed, aborted };
}

async function arenaRun(
  name: Extract<Hunt, { where: "arena" }>["profile"],
): Promise<(seed: number) => Outcome> {
  const { Arena } = await import("./arena.js");
  const { InvariantBroken } = await import("./arena-invariants.js");
  const { ARENA_PROFILES } = await import("./arena-profile.js");
  return (seed) => {
    try {
      new Arena(seed, ARENA_PROFILES[name]).run();
      return CLEAN;
    } catch (error) {
      const detail = (error as Error).message;
      if (!(error instanceof InvariantBroken)) return { kind: "aborted", detail };
      return { kind: "broken", invariant: error.invariant, detail };
    }
  };
}

async function systemRun(name: string | undefined): Promise<(seed: number) => Promise<Outcome>> {
  const { runSchedule } = await import("../run-schedule.js");
  const { SABOTEUR_SCENARIOS } = await import("./saboteur-scenarios.js");
  const scenario = SABOTEUR_SCENARIOS.find((one) => one.name === name);
  if (name !== undefined && scenario === undefined) throw new Error(`there is no scenario ${name}`);
  const { takeFirstViolation } = await import("../check/violation.js");
  return async (seed) => {
    takeFirstViolation();
    const { crash } = await runSchedule({ seed, scenario });
    const violation = takeFirstViolation();
    // A copy that stopped has noticed by itself what it must never meet: no merit of the invariants.
    if (violation !== undefined && COPY_STOPPED.test(violation.detail)) {
      return { kind: "aborted", detail: violation.detail };
    }
    if (violation !== undefined) {
      return { kind: "broken", invariant: violation.invariant, detail: violation.detail };
    }
    return crash === undefined ? CLEAN : { kind: "aborted", detail: crash.message };
  };
}
