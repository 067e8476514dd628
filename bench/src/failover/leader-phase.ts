/**
 * The control plane and the node that leads most shards, lost at one moment. In local mode the nodes
 * are children of the control plane and end with it, so this is the restart of everything: it begins
 * when a supervisor has seen the end, which here is at once.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { COLLECTION, clusterDefinition, createCollection, lostAt, SHARDS } from "./fault-cluster.js";
import type { HealthSettings, LeaderLoss, LeaderPhase } from "./failover-results.js";
import { LoadDriver } from "./load-driver.js";
import { machineMs } from "./load-message.js";
import { OperatorProcess } from "./operator-process.js";

const WARM_UP_MS = 2000;
const POLL_MS = 20;
const TIMEOUT_MS = 120_000;

export async function runLeaderPhase(
  health: HealthSettings,
  losses: number,
  dataDirectory: string,
  tell: (done: number) => void,
  onCleanUp: (step: () => Promise<void>) => void,
): Promise<LeaderPhase> {
  const operator = await OperatorProcess.start(clusterDefinition(health), dataDirectory);
  onCleanUp(() => operator.stop());
  await operator.inSync(0);
  const urls = [...(await operator.nodes()).values()].map(({ httpUrl }) => httpUrl);
  await createCollection(urls);
  const load = new LoadDriver({ urls, collection: COLLECTION, shards: SHARDS });
  onCleanUp(() => load.end());
  const measured: LeaderLoss[] = [];
  while (measured.length < losses) {
    await operator.inSync(SHARDS);
    await sleep(WARM_UP_MS);
    measured.push(await loseLeader(operator, load));
    tell(measured.length);
  }
  await operator.inSync(SHARDS);
  const { counts, documents } = await load.stop();
  await operator.inSync(SHARDS);
  let lost = 0;
  for (const { httpUrl: url } of (await operator.nodes()).values()) lost += await lostAt(url, documents);
  await operator.stop();
  return { health, losses: measured, counts, lost };
}

async function loseLeader(operator: OperatorProcess, load: LoadDriver): Promise<LeaderLoss> {
  const { shards } = await operator.inSync(SHARDS);
  const primaries = shards.flatMap(({ primary }) => primary ?? []);
  const led = (name: string): number => primaries.filter((primary) => primary === name).length;
  const victim = primaries.toSorted((a, b) => led(b) - led(a))[0]!;
  load.forget();
  const faultMs = machineMs();
  await operator.killWith(victim);
  operator.startAgain();
  const deadlineMs = machineMs() + TIMEOUT_MS;
  for (;;) {
    const gaps = await load.gaps(faultMs);
    // What the other nodes had in hand may still be answered before they end.
    const isOver = gaps.every(({ firstAfterMs }) => firstAfterMs !== undefined);
    if (isOver && (await operator.status())?.status === "ok")
      return { stallsMs: (await load.gaps(faultMs)).map(({ longestMs }) => longestMs) };
    if (machineMs() > deadlineMs) throw new Error(`no write is acknowledged after ${TIMEOUT_MS} ms`);
    await sleep(POLL_MS);
  }
}
