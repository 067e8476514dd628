/**
 * The program behind `make sim`: many schedules, or one seed with a time line of what happened.
 * Exit code 1: an invariant broke or something threw. 2: wrong arguments, or a run that met too little.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { findScenario } from "./scenarios/catalogue.js";
import { runSchedule, type RunResult } from "./run-schedule.js";
import { runSchedules } from "./schedule-pool.js";
import { SeedFront } from "./seed-front.js";
import { shrink } from "./shrink.js";
import { Timeline } from "./timeline.js";
import { Totals, type RunSummary } from "./totals.js";

/** On a terminal one line is written over and over; elsewhere each is a line of its own. */
const PROGRESS_MS = process.stderr.isTTY ? 1000 : 60_000;
const SHRINK_LIMITS = { attempts: 80, timeLimitMs: 60_000 };
const TIMELINE_LINES = 150;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "2000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    scenario: { type: "string" },
    processes: { type: "string", default: String(availableParallelism()) },
    minutes: { type: "string", default: "0" },
    lines: { type: "string", default: String(TIMELINE_LINES) },
    "per-node": { type: "boolean", default: false },
  },
});

function number(name: string, text: string | undefined): number {
  const value = Number(text);
  if (text === undefined || text === "" || !Number.isInteger(value) || value < 0) {
    console.error(`--${name} must be a whole number, not ${JSON.stringify(text)}`);
    process.exit(2);
  }
  return value;
}

function describe({ violation, crash }: Pick<RunSummary, "violation" | "crash">): string {
  if (violation !== undefined) {
    const { invariant, detail, atMs, atStep } = violation;
    return `${invariant} broken after ${atMs.toFixed(1)} ms, step ${atStep}: ${detail}`;
  }
  return crash === undefined ? "all invariants hold" : `exception in step ${crash.atStep}: ${crash.message}`;
}

/** Runs a schedule again, and says line by line what happens. */
async function replay(result: RunResult): Promise<void> {
  const timeline = new Timeline();
  const { seed, schedule } = result;
  const again = await runSchedule({ seed, schedule, trace: timeline.trace });
  const count = number("lines", values.lines);
  for (const line of timeline.format({ count, perActor: values["per-node"] })) console.log(line);
  console.log(describe(again));
  if (again.crash !== undefined) console.log(again.crash.stack);
  if (again.traceHash !== result.traceHash) console.log("and it did not go the same way twice");
}

async function runOne(seed: number): Promise<number> {
  const scenario = values.scenario === undefined ? undefined : findScenario(values.scenario);
  const result = await runSchedule({ seed, scenario });
  await replay(result);
  console.log(JSON.stringify(result.counts));
  return result.ok ? 0 : 1;
}

async function showFailure(summary: RunSummary): Promise<void> {
  const { seed } = summary;
  const scenario = values.scenario === undefined ? undefined : findScenario(values.scenario);
  console.log(`\nseed ${seed}: ${describe(summary)}`);
  const full = await runSchedule({ seed, scenario });
  const small = await shrink(full, SHRINK_LIMITS);
  const { faults, activeMs } = small.schedule;
  console.log(`shrunk from ${full.schedule.faults.length} to ${faults.length} faults in ${activeMs} ms:`);
  for (const fault of faults) console.log(`  ${JSON.stringify(fault)}`);
  await replay(small);
  const of = values.scenario === undefined ? "" : ` SCENARIO=${values.scenario}`;
  console.log(`\nagain, whole: make sim SEED=${seed}${of}`);
}

/** Calls back now and then with how many schedules have been run per second so far. */
function progressOf(totals: Totals, tell: (perSecond: number) => void): () => void {
  const startMs = performance.now();
  let shownMs = startMs;
  return () => {
    const nowMs = performance.now();
    if (nowMs - shownMs < PROGRESS_MS) return;
    shownMs = nowMs;
    tell((1000 * totals.schedules) / (nowMs - startMs));
  };
}

async function runMany(): Promise<number> {
  const schedules = number("seeds", values.seeds);
  const minutes = number("minutes", values.minutes);
  const fromSeed = number("from", values.from);
  const totals = new Totals();
  const front = new SeedFront(fromSeed);
  const startMs = performance.now();
  let isStopped = false;
  const stop = (): void => void (isStopped = true);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
  const progress = progressOf(totals, (perSecond) => {
    const [start, end] = process.stderr.isTTY ? ["\r", " "] : ["", "\n"];
    const line = `${totals.schedules} of ${schedules} schedules, ${perSecond.toFixed(1)}/s, all below seed ${front.next} done`;
    process.stderr.write(`${start}${line}${end}`);
  });
  await runSchedules({
    fromSeed,
    schedules,
    processes: number("processes", values.processes),
    timeLimitMs: minutes === 0 ? Infinity : 60_000 * minutes,
    scenario: values.scenario,
    isStopped: () => isStopped,
    onSummary: (summary) => {
      totals.add(summary);
      front.ended(summary.seed);
      if (!summary.ok) console.log(`\nseed ${summary.seed}: ${describe(summary)}`);
      progress();
    },
  });
  if (process.stderr.isTTY) process.stderr.write("\n");
  const seconds = (performance.now() - startMs) / 1000;
  for (const line of totals.report()) console.log(line);
  console.log(
    `\n${seconds.toFixed(1)} s, ${((1000 * seconds) / totals.schedules).toFixed(1)} ms per schedule`,
  );
  const left = fromSeed + schedules - front.next;
  if (left > 0) console.log(`the rest: make sim FROM=${front.next} SEEDS=${left}`);
  const failed = totals.firstFailed();
  if (failed !== undefined) {
    await showFailure(failed);
    return 1;
  }
  const shortcomings = values.scenario === undefined ? totals.shortcomings() : [];
  for (const shortcoming of shortcomings) console.log(`too little: ${shortcoming}`);
  return shortcomings.length > 0 ? 2 : 0;
}

process.exitCode = await (values.seed === undefined || values.seed === ""
  ? runMany()
  : runOne(number("seed", values.seed)));
