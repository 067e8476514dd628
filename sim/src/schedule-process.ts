/** A process that runs schedules for main.ts: seeds come in, summaries go out. */
import { findScenario } from "./scenarios/catalogue.js";
import { runSchedule } from "./run-schedule.js";
import type { RunSummary } from "./totals.js";

export interface SeedsMessage {
  readonly seeds: readonly number[];
  readonly scenario: string | undefined;
}

export type SummaryMessage = { readonly summary: RunSummary } | { readonly done: true };

// Errors are part of normal work here, and their stacks cost more than the work; a seed that fails is run
// again where they are kept.
Error.stackTraceLimit = 0;

// An interrupt from the keyboard reaches all processes: the one that asked says when to end.
process.on("SIGINT", () => undefined);

process.on("message", (message: SeedsMessage) => {
  void work(message);
});

async function work({ seeds, scenario }: SeedsMessage): Promise<void> {
  const found = scenario === undefined ? undefined : findScenario(scenario);
  for (const seed of seeds) {
    const { ok, violation, crash, counts, steps } = await runSchedule({ seed, scenario: found });
    const summary: RunSummary = {
      ok,
      seed,
      counts,
      steps,
      ...(violation === undefined ? {} : { violation }),
      ...(crash === undefined ? {} : { crash }),
    };
    send({ summary });
  }
  send({ done: true });
}

function send(message: SummaryMessage): void {
  // Whoever asked may be gone: there is nobody to work for.
  process.send?.(message, undefined, {}, (error) => {
    if (error !== null) process.exit(1);
  });
}
