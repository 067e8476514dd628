/** One fault after another on a cluster under load. */
import { setTimeout as sleep } from "node:timers/promises";
import type { SeededRandom } from "../seeded-random.js";
import type { Fault, FaultKind, HealthSettings, Phase, ShardStall } from "./failover-results.js";
import { FaultCluster } from "./fault-cluster.js";
import { machineMs, type ShardGap } from "./load-message.js";

export interface PhasePlan {
  readonly name: string;
  readonly health: HealthSettings;
  readonly kind: FaultKind;
  readonly faults: number;
}

const WARM_UP_MS = 2000;
const QUIET_MS = 3000;
/** Between the recovery from one fault and the next one. */
const PAUSE_MS = { least: 300, most: 900 } as const;
/** A killed node is started again after this, when writes have gone on without it. */
const DOWN_MS = 200;
/** A frozen node goes on when it has been taken for dead, but for this long at least. */
const FROZEN_MS = 500;
const GAP_POLL_MS = 20;
const GAP_TIMEOUT_MS = 60_000;
/** So often a victim is a node that leads most shards; else any. */
const LEADER_SHARE = 0.7;

export async function runPhase(
  plan: PhasePlan,
  dataDirectory: string,
  random: SeededRandom,
  tell: (done: number, fault: Fault | undefined) => void,
  onCluster: (cluster: FaultCluster) => void,
): Promise<Phase> {
  const startMs = performance.now();
  const cluster = await FaultCluster.start(plan.health, dataDirectory);
  onCluster(cluster);
  await sleep(WARM_UP_MS);
  const quietGapMs = await quietGap(cluster);
  const faults: Fault[] = [];
  let trouble = "";
  while (faults.length < plan.faults && trouble === "") {
    try {
      const fault = await runFault(cluster, plan, chooseVictim(cluster, random));
      faults.push(fault);
      tell(faults.length, fault);
    } catch (error) {
      // Hours of figures are not given up for one cluster that did not recover: that is a finding of its own.
      trouble = messageOf(error);
    }
    await sleep(random.integer(PAUSE_MS.least, PAUSE_MS.most));
  }
  const { counts, documents } = await cluster.load.stop();
  let lost: number | undefined;
  try {
    lost = await cluster.findLost(documents);
  } catch (error) {
    trouble ||= messageOf(error);
  }
  await cluster.stop();
  const { name, health, kind } = plan;
  const seconds = Math.round((performance.now() - startMs) / 1000);
  return { name, health, kind, seconds, faults, counts, lost, trouble, quietGapMs };
}

async function quietGap(cluster: FaultCluster): Promise<number> {
  cluster.load.forget();
  const beganMs = machineMs();
  await sleep(QUIET_MS);
  return longest(await cluster.load.gaps(beganMs));
}

function chooseVictim(cluster: FaultCluster, random: SeededRandom): string {
  const { shards } = cluster.status();
  const names = cluster.nodeNames();
  if (random.next() >= LEADER_SHARE) return names[random.integer(0, names.length)]!;
  const led = (name: string): number => shards.filter(({ primary }) => primary === name).length;
  return [...names].sort((a, b) => led(b) - led(a))[0]!;
}

async function runFault(cluster: FaultCluster, { kind, health }: PhasePlan, victim: string): Promise<Fault> {
  const { shards } = cluster.status();
  const led = new Set(shards.filter(({ primary }) => primary === victim).map(({ number }) => number));
  const bytesBefore = await cluster.recoveryBytes();
  cluster.load.forget();
  const node = cluster.node(victim);
  const [faultUnixMs, faultMs] = [Date.now(), machineMs()];
  const down = kind === "kill" ? node.stop("SIGKILL") : freeze(cluster, victim);
  await down;
  await untilWritesGoOn(cluster, faultMs);
  if (kind === "kill") await sleep(DOWN_MS);
  else await sleep(FROZEN_MS + health.suspectTimeoutMs);
  // Of the killed process nothing is left to be counted.
  const bytesDown = kind === "kill" ? await cluster.recoveryBytes() : bytesBefore;
  const backMs = performance.now();
  if (kind === "kill") await node.start();
  else node.kill("SIGCONT");
  await cluster.inSync();
  const recoveredMs = performance.now() - backMs;
  const recoveryBytes = Math.max(0, (await cluster.recoveryBytes()) - bytesDown);
  const gaps = await cluster.load.gaps(faultMs);
  const events = cluster.eventsSince(faultUnixMs);
  const sinceFault = (at: number | undefined): number | undefined =>
    at === undefined ? undefined : Math.max(0, at - faultUnixMs);
  const noticed = events.find(
    ({ about, reason }) => about === `node/${victim}` && reason !== "NodeRestarted",
  );
  const stalls = gaps.map((gap): ShardStall => {
    const changed = events.find(
      ({ about, evidence }) => about.endsWith(`.${gap.shard}`) && evidence["change"] !== undefined,
    );
    return {
      shard: gap.shard,
      lost: led.has(gap.shard) ? "primary" : "replica",
      stallMs: gap.firstAfterMs! - (gap.lastBeforeMs ?? faultMs),
      longestMs: gap.longestMs,
      decidedMs: sinceFault(changed?.at),
    };
  });
  const noticedMs = sinceFault(noticed?.at);
  return { kind, node: victim, noticedMs, shards: stalls, recoveredMs, recoveryBytes };
}

function freeze(cluster: FaultCluster, victim: string): void {
  if (!cluster.node(victim).kill("SIGSTOP")) throw new Error(`${victim} has no process to freeze`);
}

/** A write sent after the fault is acknowledged on every shard. */
async function untilWritesGoOn(cluster: FaultCluster, faultMs: number): Promise<void> {
  const deadlineMs = machineMs() + GAP_TIMEOUT_MS;
  for (;;) {
    const gaps = await cluster.load.gaps(faultMs);
    if (gaps.every(({ firstAfterMs }) => firstAfterMs !== undefined)) return;
    if (machineMs() > deadlineMs) {
      const still = gaps.filter(({ firstAfterMs }) => firstAfterMs === undefined).map(({ shard }) => shard);
      throw new Error(
        `no write is acknowledged ${GAP_TIMEOUT_MS} ms after the fault on shards ${still.join(", ")}`,
      );
    }
    await sleep(GAP_POLL_MS);
  }
}

function longest(gaps: readonly ShardGap[]): number {
  return Math.max(0, ...gaps.map(({ longestMs }) => longestMs));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
