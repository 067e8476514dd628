/**
 * Tries every saboteur, two at a time, each in a process of its own, and then the same worlds without
 * one. Arguments: ids to try only these; `--write` writes sim/saboteurs.md; `--patience 4` gives each four times
 * as long, on a machine that does much else.
 */
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { SABOTEURS } from "./catalogue.js";
import type { HuntBudget } from "./hunt.js";
import { inParallel } from "./in-parallel.js";
import {
  controlLine,
  huntName,
  isClean,
  saboteurLine,
  saboteurPage,
  verdictOf,
  type ControlTrial,
  type SaboteurTrial,
} from "./saboteur-report.js";
import type { Hunt } from "./saboteur.js";
import { runTrial } from "./trial.js";

const LANES = Math.min(4, availableParallelism());
const PAGE = fileURLToPath(new URL("../../saboteurs.md", import.meta.url));
/** The time is a bound, not the measure: a schedule's number must not hang on how fast the machine is. */
const BUDGETS: Readonly<Record<Hunt["where"], HuntBudget>> = {
  arena: { schedules: 60_000, timeLimitMs: 240_000 },
  system: { schedules: 1500, timeLimitMs: 150_000 },
};
const CONTROL: Readonly<Record<Hunt["where"], HuntBudget>> = {
  arena: { schedules: 3000, timeLimitMs: 60_000 },
  system: { schedules: 24, timeLimitMs: 60_000 },
};

async function main(): Promise<number> {
  const { values, positionals: ids } = parseArgs({
    allowPositionals: true,
    options: { write: { type: "boolean", default: false }, patience: { type: "string", default: "1" } },
  });
  const patience = Math.max(1, Number(values.patience));
  const within = ({ schedules, timeLimitMs }: HuntBudget): HuntBudget => ({
    schedules,
    timeLimitMs: timeLimitMs * patience,
  });
  const chosen = SABOTEURS.filter(({ id }) => ids.length === 0 || ids.includes(id));
  const startMs = performance.now();
  const trials = await inParallel(chosen, LANES, async (saboteur): Promise<SaboteurTrial> => {
    const { id, hunt } = saboteur;
    const trial = { saboteur, answer: await runTrial({ id, hunt, budget: within(BUDGETS[hunt.where]) }) };
    console.log(saboteurLine(trial));
    return trial;
  });
  const hunts = new Map(chosen.map(({ hunt }) => [huntName(hunt), hunt]));
  const controls = await inParallel([...hunts.values()], LANES, async (hunt): Promise<ControlTrial> => {
    const trial = {
      hunt,
      answer: await runTrial({ id: undefined, hunt, budget: within(CONTROL[hunt.where]) }),
    };
    console.log(controlLine(trial));
    return trial;
  });
  const caught = trials.filter((trial) => verdictOf(trial).kind === "caught").length;
  const clean = controls.filter(isClean).length;
  const tookS = ((performance.now() - startMs) / 1000).toFixed(0);
  console.log(
    `${caught} of ${trials.length} saboteurs caught, ${clean} of ${controls.length} worlds clean without one, ${tookS} s`,
  );
  if (values.write) writeFileSync(PAGE, saboteurPage(trials, controls));
  return caught === trials.length && clean === controls.length ? 0 : 1;
}

process.exitCode = await main();
