/** What many schedules came to together, and whether that is enough to mean something. */
import { SITUATIONS } from "./check/situations.js";
import type { RunResult } from "./run-schedule.js";

/** What a process that runs schedules tells of one. */
export type RunSummary = Pick<RunResult, "ok" | "seed" | "violation" | "crash" | "counts" | "steps">;

/** Per schedule, on average: a run with less has tested less than it says. */
export const FLOORS = { events: 1000, acknowledged: 50, faults: 3 } as const;
/** From here on each situation must have been met. */
export const STANDARD_SCHEDULES = 2000;
/** Averages of fewer say little. */
const ENOUGH_FOR_AVERAGES = 20;

export class Totals {
  schedules = 0;
  readonly failed: RunSummary[] = [];
  readonly #counts = new Map<string, number>();

  add(summary: RunSummary): void {
    this.schedules += 1;
    if (!summary.ok) this.failed.push(summary);
    for (const [name, count] of Object.entries(summary.counts)) {
      this.#counts.set(name, (this.#counts.get(name) ?? 0) + count);
    }
  }

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  mean(name: string): number {
    return this.schedules === 0 ? 0 : this.of(name) / this.schedules;
  }

  /** Of the schedules that failed, the one with the lowest seed. */
  firstFailed(): RunSummary | undefined {
    return this.failed.toSorted((a, b) => a.seed - b.seed)[0];
  }

  /** Why the run proves less than it should; empty when it is good. */
  shortcomings(): string[] {
    const floors = Object.entries(FLOORS)
      .filter(([name, floor]) => this.schedules >= ENOUGH_FOR_AVERAGES && this.mean(name) < floor)
      .map(
        ([name, floor]) => `${this.mean(name).toFixed(1)} ${name} per schedule, at least ${floor} are wanted`,
      );
    const missed =
      this.schedules < STANDARD_SCHEDULES
        ? []
        : Object.keys(SITUATIONS).filter((name) => this.of(name) === 0);
    return [...floors, ...missed.map((name) => `${name} was never met: ${SITUATIONS[name]}`)];
  }

  report(): string[] {
    const means = Object.keys(FLOORS).map((name) => `${this.mean(name).toFixed(1)} ${name}`);
    const width = Math.max(...Object.keys(SITUATIONS).map((name) => name.length));
    return [
      `${this.schedules} schedules, per schedule ${means.join(", ")}`,
      "",
      "met, in all schedules:",
      ...Object.entries(SITUATIONS).map(
        ([name, about]) => `${String(this.of(name)).padStart(9)}  ${name.padEnd(width)}  ${about}`,
      ),
    ];
  }
}
