/** Makes a failing schedule smaller as long as it fails in the same way: fewer faults, less time, fewer clients. */
import { runSchedule, type RunResult } from "./run-schedule.js";
import type { Schedule } from "./schedule.js";

export interface ShrinkLimits {
  readonly attempts: number;
  readonly timeLimitMs: number;
}

/** The same invariant, or the same exception. */
export function failureOf({ violation, crash }: Pick<RunResult, "violation" | "crash">): string | undefined {
  return violation?.invariant ?? crash?.message;
}

/** Returns a failing run that is no larger than `failed`. */
export async function shrink(
  failed: RunResult,
  limits: ShrinkLimits,
  run: (schedule: Schedule) => Promise<RunResult> = (schedule) =>
    runSchedule({ seed: schedule.seed, schedule }),
): Promise<RunResult> {
  const wanted = failureOf(failed);
  const endMs = performance.now() + limits.timeLimitMs;
  let best = failed;
  let left = limits.attempts;
  for (let improved = true; improved;) {
    improved = false;
    for (const smaller of smallerSchedules(best.schedule)) {
      if (left === 0 || performance.now() > endMs) return best;
      left -= 1;
      const result = await run(smaller);
      if (result.ok || failureOf(result) !== wanted) continue;
      best = result;
      improved = true;
      break;
    }
  }
  return best;
}

/** Each a step smaller than `schedule`, the largest steps first. */
function* smallerSchedules(schedule: Schedule): Generator<Schedule> {
  const { faults, client, shape } = schedule;
  const half = Math.floor(faults.length / 2);
  if (half > 0) {
    yield { ...schedule, faults: faults.slice(half) };
    yield { ...schedule, faults: faults.slice(0, half) };
  }
  for (let i = faults.length - 1; i >= 0; i -= 1) {
    yield { ...schedule, faults: faults.filter((_fault, at) => at !== i) };
  }
  if (schedule.activeMs > 600) yield { ...schedule, activeMs: Math.round(schedule.activeMs * 0.75) };
  if (client.clients > 1) yield { ...schedule, client: { ...client, clients: client.clients - 1 } };
  if (client.documents > 1) yield { ...schedule, client: { ...client, documents: 1 } };
  if (client.reads > 0) yield { ...schedule, client: { ...client, reads: 0 } };
  if (shape.shards > 1) yield { ...schedule, shape: { ...shape, shards: 1 } };
}
