/** Runs schedules in several processes at once. */
import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { SeedsMessage, SummaryMessage } from "./schedule-process.js";
import type { RunSummary } from "./totals.js";

const PROGRAM = fileURLToPath(new URL("./schedule-process.js", import.meta.url));
const CHUNK = 10;

export interface PoolOptions {
  readonly fromSeed: number;
  readonly schedules: number;
  readonly processes: number;
  readonly timeLimitMs: number;
  /** Told to end early; what was begun ends first. */
  readonly isStopped: () => boolean;
  readonly scenario: string | undefined;
  readonly onSummary: (summary: RunSummary) => void;
}

/** Resolves when all are done, or one has failed, the time is up or it is stopped and those begun before are done. */
export async function runSchedules(options: PoolOptions): Promise<void> {
  const { fromSeed, schedules, processes, timeLimitMs } = options;
  const endMs = performance.now() + timeLimitMs;
  const endSeed = fromSeed + schedules;
  let next = fromSeed;
  let failed = false;
  const take = (): number[] => {
    if (failed || options.isStopped() || performance.now() >= endMs) return [];
    const seeds = Array.from({ length: Math.min(CHUNK, endSeed - next) }, (_unused, i) => next + i);
    next += seeds.length;
    return seeds;
  };
  const onSummary = (summary: RunSummary): void => {
    failed ||= !summary.ok;
    options.onSummary(summary);
  };
  const count = Math.max(1, Math.min(processes, Math.ceil(schedules / CHUNK)));
  await Promise.all(Array.from({ length: count }, () => runOne(take, options.scenario, onSummary)));
}

async function runOne(
  take: () => number[],
  scenario: string | undefined,
  onSummary: (summary: RunSummary) => void,
): Promise<void> {
  const child = fork(PROGRAM, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  try {
    for (let seeds = take(); seeds.length > 0; seeds = take()) {
      await runChunk(child, { seeds, scenario }, onSummary);
    }
  } finally {
    child.kill();
  }
}

function runChunk(
  child: ChildProcess,
  message: SeedsMessage,
  onSummary: (summary: RunSummary) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const onMessage = (answer: SummaryMessage): void => {
      if ("summary" in answer) onSummary(answer.summary);
      else finish(resolve);
    };
    const onExit = (code: number | null): void => {
      const seeds = `${message.seeds[0]} to ${message.seeds.at(-1)}`;
      finish(() => reject(new Error(`the process of seeds ${seeds} ended with ${code ?? "a signal"}`)));
    };
    const finish = (end: () => void): void => {
      child.off("message", onMessage);
      child.off("exit", onExit);
      end();
    };
    child.on("message", onMessage);
    child.on("exit", onExit);
    child.send(message);
  });
}
