/**
 * Kills a node that holds primaries while writers and a reader are at work, lets it come back by itself,
 * and then looks for every acknowledged write.
 */
import type { StatusResponse, StatusShard } from "@prism/api/status";
import type { CollectionClient, PrismClient } from "@prism/client";
import type { LocalCluster } from "@prism/operator/local-cluster";
import { setTimeout as delay } from "node:timers/promises";
import { SearchLoad, type SearchReport } from "./search-load.js";
import { REPLICATION, SHARDS, SPEECHES } from "./speech-collection.js";
import type { Pause, Verdict } from "./write-ledger.js";
import { WriteLoad } from "./write-load.js";

const LEDGER = "ledger";
/** Acknowledgements that each shard must have before the node is killed, and again after. */
const WARM_UP_WRITES = 100;
/** How long writers go on at least, before the kill and after the node is back. */
const STEADY_MS = 3000;
const POLL_MS = 20;
const RESUME_TIMEOUT_MS = 30_000;
const IN_SYNC_TIMEOUT_MS = 45_000;
const COUNTS_TIMEOUT_MS = 10_000;
const GETS_AT_ONCE = 16;

export interface DrillReport {
  readonly node: string;
  readonly zone: string;
  readonly killedPid: number | undefined;
  readonly shards: readonly ShardReport[];
  /** Every shard took writes again. */
  readonly resumed: boolean;
  /** From the kill until every copy of every shard was in sync; undefined: not within the time given. */
  readonly inSyncAfterMs: number | undefined;
  readonly loadSeconds: number;
  readonly writes: {
    readonly acknowledged: number;
    readonly failed: number;
    readonly failures: Readonly<Record<string, number>>;
    readonly retries: number;
  };
  readonly searches: SearchReport;
  readonly verdict: Verdict;
  /** As the search API counts them, against the documents that were found one by one. */
  readonly counted: number;
  readonly found: number;
  readonly copies: readonly CopyReport[];
}

/** A shard of the collection that was written to. */
export interface ShardReport extends Pause {
  readonly primaryBefore: string;
  readonly primaryAfter: string;
}

export interface CopyReport {
  readonly collection: string;
  readonly shard: number;
  readonly documents: readonly number[];
}

export interface DrillContext {
  readonly cluster: LocalCluster;
  readonly client: PrismClient;
  /** Of its own session: a reader who has not written. */
  readonly readerClient: PrismClient;
  /** Of the reader's searches. */
  readonly vector: readonly number[];
  /** Ends the writers and the reader. */
  readonly signal: AbortSignal;
  /** What happens, as it happens. */
  readonly tell: (line: string) => void;
}

export async function runFailureDrill(context: DrillContext): Promise<DrillReport> {
  const { cluster, client, readerClient, signal, tell } = context;
  const collection = await createLedger(client);
  await expectInSync(cluster, "before the kill");
  const load = new WriteLoad(collection, signal);
  const reader = new SearchLoad(readerClient.collection(SPEECHES), context.vector, signal);
  const loadStartedMs = performance.now();
  await waitForWrites(load, loadStartedMs, signal);
  await delay(STEADY_MS, undefined, { signal });

  const before = cluster.status();
  const victim = chooseVictim(before);
  const node = cluster.node(victim.name);
  const killedMs = performance.now();
  node.kill("SIGKILL");
  tell(`kill -9 ${node.pid} (${victim.name}, zone ${victim.zone}) under load`);

  const resumed = await waitForWrites(load, killedMs, signal);
  tell(resumed ? "every shard takes writes" : `not every shard took writes within ${RESUME_TIMEOUT_MS} ms`);
  const inSyncAfterMs = await waitForReturn(cluster, victim.name, node.pid, killedMs);
  if (inSyncAfterMs !== undefined) tell(`${victim.name} is back by itself, every copy is in sync`);
  await delay(STEADY_MS, undefined, { signal });
  await load.stop();
  const searches = await reader.stop();
  const loadSeconds = (performance.now() - loadStartedMs) / 1000;

  tell("looking for every acknowledged write");
  const found = await getAll(collection, load.ledger.ids());
  const after = await settledStatus(cluster);
  return {
    node: victim.name,
    zone: victim.zone,
    killedPid: node.pid,
    shards: compareShards(load.ledger.pausesAround(killedMs), before, after),
    resumed,
    inSyncAfterMs,
    loadSeconds,
    writes: {
      acknowledged: load.ledger.acknowledged,
      failed: load.ledger.failed,
      failures: load.failures,
      retries: load.retries,
    },
    searches,
    verdict: load.ledger.check(found),
    counted: (await collection.count()).count,
    found: [...found.values()].filter((value) => value !== undefined).length,
    copies: after.shards.map(({ collection, number, copies }) => ({
      collection,
      shard: number,
      documents: copies.map((copy) => copy.documents),
    })),
  };
}

async function createLedger(client: PrismClient): Promise<CollectionClient> {
  await client.createCollection(LEDGER, {
    shards: SHARDS,
    replication: REPLICATION,
    shardKey: "writer",
    fields: [
      { name: "writer", type: "keyword" },
      { name: "value", type: "integer" },
      { name: "note", type: "text", analyzer: "english" },
    ],
  });
  return client.collection(LEDGER);
}

function isInSync({ status, shards, inSyncCount, replicaCount }: StatusResponse): boolean {
  const serving = shards.every(({ copies }) =>
    copies.every(({ role }) => role === "primary" || role === "replica"),
  );
  return status === "ok" && serving && inSyncCount === replicaCount;
}

async function expectInSync(cluster: LocalCluster, when: string): Promise<void> {
  const met = await cluster.waitFor(
    (status) => isInSync(status) && ledgerShards(status).length === SHARDS,
    IN_SYNC_TIMEOUT_MS,
  );
  if (!met) throw new Error(`not every copy was in sync ${when}, within ${IN_SYNC_TIMEOUT_MS} ms`);
}

/** True as soon as every shard has acknowledged writes after the given time. */
async function waitForWrites(load: WriteLoad, sinceMs: number, signal: AbortSignal): Promise<boolean> {
  const deadlineMs = performance.now() + RESUME_TIMEOUT_MS;
  while (performance.now() < deadlineMs) {
    const counts = [...load.ledger.countByShardAfter(sinceMs).values()];
    if (counts.length === SHARDS && counts.every((count) => count >= WARM_UP_WRITES)) return true;
    await delay(POLL_MS, undefined, { signal });
  }
  return false;
}

/** The node that holds most primaries of the shards that are written to; the first of equals. */
function chooseVictim(status: StatusResponse): { readonly name: string; readonly zone: string } {
  const primaries = new Map<string, number>();
  for (const { primary } of ledgerShards(status)) {
    if (primary !== null) primaries.set(primary, (primaries.get(primary) ?? 0) + 1);
  }
  const [victim] = [...status.nodes].sort(
    (a, b) => (primaries.get(b.name) ?? 0) - (primaries.get(a.name) ?? 0) || (a.name < b.name ? -1 : 1),
  );
  if (victim === undefined || !primaries.has(victim.name)) throw new Error("no node holds a primary");
  return victim;
}

/** @returns milliseconds since the kill; undefined when the time is over. */
async function waitForReturn(
  cluster: LocalCluster,
  name: string,
  killedPid: number | undefined,
  killedMs: number,
): Promise<number | undefined> {
  const isBack = (status: StatusResponse): boolean => {
    const { pid } = cluster.node(name);
    return pid !== undefined && pid !== killedPid && isInSync(status);
  };
  const met = await cluster.waitFor(isBack, IN_SYNC_TIMEOUT_MS);
  return met ? performance.now() - killedMs : undefined;
}

async function getAll(
  collection: CollectionClient,
  ids: readonly string[],
): Promise<Map<string, number | undefined>> {
  const found = new Map<string, number | undefined>();
  let next = 0;
  const getSome = async (): Promise<void> => {
    while (next < ids.length) {
      const id = ids[next]!;
      next += 1;
      const shardKey = id.slice(0, id.lastIndexOf("-"));
      const document = await collection.get(id, { shardKey });
      found.set(id, document && Number(document.fields["value"]));
    }
  };
  await Promise.all(Array.from({ length: GETS_AT_ONCE }, getSome));
  return found;
}

/** Copies report their counts every now and then: waits until they agree, but not for ever. */
async function settledStatus(cluster: LocalCluster): Promise<StatusResponse> {
  await cluster.waitFor(
    ({ shards }) =>
      shards.every(({ copies }) => copies.every((copy) => copy.documents === copies[0]!.documents)),
    COUNTS_TIMEOUT_MS,
  );
  return cluster.status();
}

function compareShards(
  pauses: readonly Pause[],
  before: StatusResponse,
  after: StatusResponse,
): ShardReport[] {
  const primaryIn = (status: StatusResponse, number: number): string =>
    ledgerShards(status).find((shard) => shard.number === number)?.primary ?? "none";
  return pauses.map((pause) => ({
    ...pause,
    primaryBefore: primaryIn(before, pause.shard),
    primaryAfter: primaryIn(after, pause.shard),
  }));
}

function ledgerShards(status: StatusResponse): readonly StatusShard[] {
  return status.shards.filter((shard) => shard.collection === LEDGER);
}
