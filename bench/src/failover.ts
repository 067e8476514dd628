/** `make bench-failover`: how long writes stand still when nodes are lost, and that nothing else is lost. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  renderFailoverJson,
  renderFailoverMarkdown,
  renderFailoverText,
} from "./failover/failover-report.js";
import type {
  FailoverResults,
  Fault,
  HealthSettings,
  LeaderPhase,
  Phase,
} from "./failover/failover-results.js";
import type { FaultCluster } from "./failover/fault-cluster.js";
import { runPhase, type PhasePlan } from "./failover/fault-phase.js";
import { runLeaderPhase } from "./failover/leader-phase.js";
import { parseFailoverOptions, USAGE, type FailoverOptions } from "./failover/options.js";
import { collectVersions, describeMachine } from "./machine.js";
import { SeededRandom } from "./seeded-random.js";

const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url));
const BAD_USAGE = 2;

const DEFAULT_HEALTH: HealthSettings = {
  heartbeatIntervalMs: 1000,
  failureThreshold: 3,
  suspectTimeoutMs: 5000,
  replicaTimeoutMs: 1000,
  rebuildDelaySeconds: 300,
};
const FAST_HEALTH: HealthSettings = {
  heartbeatIntervalMs: 100,
  failureThreshold: 3,
  suspectTimeoutMs: 1000,
  replicaTimeoutMs: 300,
  rebuildDelaySeconds: 300,
};

class FailoverRun {
  readonly #options: FailoverOptions;
  readonly #random: SeededRandom;
  readonly #startMs = performance.now();
  readonly #steps: (() => Promise<void>)[] = [];
  #directory = "";

  constructor(options: FailoverOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
  }

  async measure(parent: string): Promise<FailoverResults> {
    const machine = describeMachine();
    await mkdir(parent, { recursive: true });
    this.#directory = await mkdtemp(join(parent, "failover-"));
    const { kills, freezes, leaderLosses } = this.#options;
    const plans: readonly PhasePlan[] = [
      { name: "kill, default health", health: DEFAULT_HEALTH, kind: "kill", faults: kills },
      { name: "kill, fast health", health: FAST_HEALTH, kind: "kill", faults: kills },
      { name: "freeze, default health", health: DEFAULT_HEALTH, kind: "freeze", faults: freezes },
      { name: "freeze, fast health", health: FAST_HEALTH, kind: "freeze", faults: freezes },
    ];
    const phases: Phase[] = [];
    for (const plan of plans) if (plan.faults > 0) phases.push(await this.#phase(plan, phases.length));
    const leader = leaderLosses === 0 ? undefined : await this.#leaderPhase(leaderLosses);
    return {
      takenAt: new Date().toISOString(),
      seconds: Math.round((performance.now() - this.#startMs) / 1000),
      command: `make bench-failover KILLS=${kills} FREEZES=${freezes} LEADERS=${leaderLosses}`,
      machine,
      versions: collectVersions(),
      phases,
      leader,
    };
  }

  /** Ends the processes of the run and removes its files; a second call does nothing. */
  async cleanUp(): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) await step();
    if (this.#directory !== "") await rm(this.#directory, { recursive: true, force: true });
  }

  /** Undefined when it did not end well: the figures before it are not given up for that. */
  async #leaderPhase(losses: number): Promise<LeaderPhase | undefined> {
    const name = "control plane and node";
    try {
      return await runLeaderPhase(
        DEFAULT_HEALTH,
        losses,
        join(this.#directory, "leader"),
        (done) => this.#progress(name, done, losses, ""),
        (step) => this.#steps.push(step),
      );
    } catch (error) {
      this.#progress(name, 0, losses, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  async #phase(plan: PhasePlan, index: number): Promise<Phase> {
    this.#progress(plan.name, 0, plan.faults, "");
    return runPhase(
      plan,
      join(this.#directory, `phase-${index}`),
      this.#random,
      (done, fault) => this.#progress(plan.name, done, plan.faults, describe(fault)),
      (cluster: FaultCluster) => this.#steps.push(() => cluster.stop()),
    );
  }

  #progress(name: string, done: number, of: number, detail: string): void {
    const width = 20;
    const filled = of === 0 ? width : Math.round((width * done) / of);
    const seconds = ((performance.now() - this.#startMs) / 1000).toFixed(0).padStart(5);
    const bar = `${"#".repeat(filled)}${".".repeat(width - filled)}`;
    process.stderr.write(`${seconds} s  ${name.padEnd(24)} [${bar}] ${done}/${of}  ${detail}\n`);
  }
}

function describe(fault: Fault | undefined): string {
  if (fault === undefined) return "";
  const shards = fault.shards.map(
    ({ lost, stallMs, decidedMs, longestMs }) =>
      `${lost[0]} ${stallMs.toFixed(0)} (${decidedMs?.toFixed(0) ?? "-"}, ${longestMs.toFixed(0)})`,
  );
  const { node, noticedMs, recoveredMs, recoveryBytes } = fault;
  return `${node} noticed ${noticedMs?.toFixed(0) ?? "-"} ms, ${shards.join(" ")}, back ${recoveredMs.toFixed(0)} ms ${recoveryBytes} B`;
}

async function main(): Promise<number> {
  let options: FailoverOptions | undefined;
  try {
    options = parseFailoverOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return BAD_USAGE;
  }
  if (options === undefined) {
    process.stdout.write(USAGE);
    return 0;
  }
  const run = new FailoverRun(options);
  const stopped = new Promise<never>((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const)
      process.once(signal, () => reject(new Error(`ended by ${signal}`)));
  });
  stopped.catch(() => undefined);
  try {
    const results = await Promise.race([run.measure(`${REPOSITORY}.prism`), stopped]);
    process.stdout.write(renderFailoverText(results));
    if (options.writesDocs) {
      await writeFile(`${REPOSITORY}docs/failover.json`, renderFailoverJson(results));
      await writeFile(`${REPOSITORY}docs/failover.md`, renderFailoverMarkdown(results));
    }
    return results.phases.every(({ trouble }) => trouble === "") ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return 1;
  } finally {
    await run.cleanUp();
  }
}

process.exit(await main());
