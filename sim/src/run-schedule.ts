/** Runs one schedule from start to quiet, and says how it went. */
import { checkCopiesAreSame, restless } from "./check/quiet.js";
import {
  firstViolation,
  InvariantViolation,
  takeFirstViolation,
  type InvariantName,
} from "./check/violation.js";
import { listenToSteps } from "./check/copy-tap.js";
import { chooseSchedule } from "./choose-schedule.js";
import { installBuiltins, onFreshStack } from "./runtime/builtins.js";
import type { Scenario, Schedule } from "./schedule.js";
import { FaultRunner } from "./world/fault-runner.js";
import { World } from "./world/world.js";

export interface RunOptions {
  readonly seed: number;
  /** Random faults unless given. */
  readonly scenario?: Scenario | undefined;
  readonly budget?: RunBudget | undefined;
  /** In the place of what the seed would make. */
  readonly schedule?: Schedule | undefined;
  readonly trace?: ((line: string) => void) | undefined;
}

export interface RunBudget {
  /** A schedule that takes more turns than this ends as a failure of its own kind. */
  readonly steps: number;
}

export interface RunResult {
  readonly ok: boolean;
  readonly seed: number;
  /** An invariant is broken. */
  readonly violation?: {
    readonly invariant: InvariantName;
    readonly detail: string;
    readonly atStep: number;
    readonly atMs: number;
  };
  /** Something else went wrong: the code under test threw, or the run did not end. Proves nothing. */
  readonly crash?: { readonly message: string; readonly stack: string; readonly atStep: number };
  readonly counts: Readonly<Record<string, number>>;
  readonly steps: number;
  /** Virtual time at the end. */
  readonly endMs: number;
  /** Of all that happened: equal for equal runs. */
  readonly traceHash: number;
  readonly schedule: Schedule;
}

const DEFAULT_STEPS = 60_000;
const QUIET_STEP_MS = 60;

class TooLong extends Error {}

/** Calls must not overlap: one world at a time in a real process. */
export async function runSchedule(options: RunOptions): Promise<RunResult> {
  installBuiltins();
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown): void => void rejections.push(reason);
  process.on("unhandledRejection", onRejection);
  try {
    const result = await onFreshStack(() => runNow(options));
    // Rejections that nobody heard are told after the turn in which they happened.
    await onFreshStack(() => undefined);
    const problem = firstViolation() ?? rejections[0];
    if (problem === undefined || !result.ok) return result;
    return { ...result, ok: false, ...failure(problem, result.steps, result.endMs) };
  } finally {
    process.off("unhandledRejection", onRejection);
  }
}

function runNow({ seed, scenario, budget, schedule: given, trace }: RunOptions): RunResult {
  const schedule = given ?? scenario?.schedule(seed) ?? chooseSchedule(seed);
  const world = new World(schedule, { trace });
  const maxSteps = budget?.steps ?? DEFAULT_STEPS;
  let problem: Pick<RunResult, "violation" | "crash"> | undefined;
  takeFirstViolation();
  try {
    world.start();
    new FaultRunner(world).start();
    runTo(world, schedule.activeMs, maxSteps);
    world.heal();
    const endMs = schedule.activeMs + schedule.quietMs;
    while (restless(world) !== undefined) {
      if (world.nowMs >= endMs) {
        throw new InvariantViolation("AllCopiesSameOnQuietDown", restless(world) ?? "");
      }
      runTo(world, Math.min(endMs, world.nowMs + QUIET_STEP_MS), maxSteps);
    }
    checkCopiesAreSame(world);
  } catch (error) {
    problem = failure(firstViolation() ?? error, world.loop.steps, world.nowMs);
    trace?.(`${world.nowMs.toFixed(2).padStart(9)} ${String(error)}`);
  } finally {
    listenToSteps(undefined);
  }
  for (const shard of world.checker.shards.values()) world.counts.count("acknowledged", shard.acknowledged);
  const counts = { ...world.counts.all(), events: world.loop.steps };
  const { steps, traceHash } = world.loop;
  return {
    ok: problem === undefined,
    seed,
    ...problem,
    counts,
    steps,
    endMs: world.nowMs,
    traceHash,
    schedule,
  };
}

function runTo(world: World, untilMs: number, maxSteps: number): void {
  world.run(untilMs);
  if (world.loop.steps > maxSteps) throw new TooLong(`the run took more than ${maxSteps} turns`);
}

function failure(error: unknown, atStep: number, atMs: number): Pick<RunResult, "violation" | "crash"> {
  if (error instanceof InvariantViolation) {
    return { violation: { invariant: error.invariant, detail: error.detail, atStep, atMs } };
  }
  const known = error instanceof Error ? error : new Error(String(error));
  return { crash: { message: known.message, stack: known.stack ?? "", atStep } };
}
