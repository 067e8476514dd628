/** A cluster of three nodes in three zones whose nodes are killed and frozen while a load goes on. */
import { setTimeout as sleep } from "node:timers/promises";
import { parseCluster } from "@prism/api/cluster";
import type { StatusResponse } from "@prism/api/status";
import { PrismClient } from "@prism/client";
import type { ClusterEvent } from "@prism/operator/control/event-log";
import { startLocalCluster, type LocalCluster, type LocalNode } from "@prism/operator/local-cluster";
import type { HealthSettings } from "./failover-results.js";
import { LoadDriver } from "./load-driver.js";
import { seqOf, type ExpectedDocument } from "./load-message.js";

export const COLLECTION = "journal";
export const SHARDS = 3;
export const NODES = 3;
export const FIELDS = [
  { name: "body", type: "text" },
  { name: "at", type: "long" },
] as const;
const WORKERS_PER_NODE = 1;
const POLL_MS = 20;
const READY_TIMEOUT_MS = 120_000;

export function clusterDefinition(health: HealthSettings) {
  return {
    apiVersion: "prism.dev/v1alpha1",
    kind: "PrismCluster",
    metadata: { name: "failover" },
    spec: { version: "0.1.0", nodes: NODES, health },
  };
}

export class FaultCluster {
  readonly load: LoadDriver;
  readonly #local: LocalCluster;

  private constructor(local: LocalCluster, load: LoadDriver) {
    this.#local = local;
    this.load = load;
  }

  static async start(health: HealthSettings, dataDirectory: string): Promise<FaultCluster> {
    const cluster = parseCluster(clusterDefinition(health));
    const local = await startLocalCluster({
      cluster,
      dataDirectory,
      workersPerNode: WORKERS_PER_NODE,
      readyTimeoutMs: READY_TIMEOUT_MS,
    });
    try {
      const urls = local.addresses().map((node) => node.httpUrl);
      await createCollection(urls);
      const load = new LoadDriver({ urls, collection: COLLECTION, shards: SHARDS });
      const made = new FaultCluster(local, load);
      await made.inSync();
      return made;
    } catch (error) {
      await local.stop();
      throw error;
    }
  }

  status(): StatusResponse {
    return this.#local.status();
  }

  nodeNames(): readonly string[] {
    return this.#local.nodeNames();
  }

  node(name: string): LocalNode {
    return this.#local.node(name);
  }

  eventsSince(unixMs: number): readonly ClusterEvent[] {
    return this.#local.events().filter((event) => event.at >= unixMs);
  }

  /** Every shard has all its copies in sync, and every node is alive. */
  async inSync(): Promise<void> {
    const isWhole = await this.#local.waitFor(
      ({ status, shards }) => status === "ok" && shards.length === SHARDS,
      READY_TIMEOUT_MS,
    );
    if (!isWhole) throw new Error(`not in sync after ${READY_TIMEOUT_MS} ms: ${describe(this.status())}`);
  }

  /** Bytes that nodes have sent to copies that were being filled, as all nodes count them together. */
  async recoveryBytes(): Promise<number> {
    let sum = 0;
    for (const name of this.nodeNames()) {
      const { adminUrl } = this.node(name);
      if (adminUrl === undefined) continue;
      const text = await (await fetch(`${adminUrl}/metrics`)).text();
      sum += Number(/^prism_recovery_sent_bytes_total (\S+)$/m.exec(text)?.[1] ?? 0);
    }
    return sum;
  }

  /** Documents, on any node's copies, that are not what the answers said; once nobody writes. */
  async findLost(documents: readonly ExpectedDocument[]): Promise<number> {
    await this.#quiet();
    let lost = 0;
    for (const { httpUrl } of this.#local.addresses()) lost += await lostAt(httpUrl, documents);
    return lost;
  }

  async stop(): Promise<void> {
    await this.load.end();
    await this.#local.stop();
  }

  async #quiet(): Promise<void> {
    const deadlineMs = performance.now() + READY_TIMEOUT_MS;
    for (;;) {
      const { status, shards } = this.status();
      const isEqual = shards.every(({ copies }) =>
        copies.every((copy) => copy.globalCheckpoint === copy.lastSeq && copy.lastSeq === copies[0]!.lastSeq),
      );
      if (status === "ok" && isEqual) return;
      if (performance.now() > deadlineMs) throw new Error("the copies have not become equal");
      await sleep(POLL_MS);
    }
  }
}

function describe({ shards, problems }: StatusResponse): string {
  const copies = shards.map((shard) => {
    const each = shard.copies.map(
      ({ node, role, inSync, globalCheckpoint, lastSeq }) =>
        `${node} ${role}${inSync ? "" : " not in sync"} ${globalCheckpoint}/${lastSeq}`,
    );
    return `${shard.number} ${shard.state} (${each.join(", ")})`;
  });
  return [...copies, ...problems.map(({ object, reason }) => `${object} ${reason}`)].join("; ");
}

export async function createCollection(urls: readonly string[]): Promise<void> {
  const client = new PrismClient({ endpoints: urls });
  try {
    await client.createCollection(COLLECTION, { shards: SHARDS, fields: FIELDS });
  } finally {
    await client.close();
  }
}

/** The node reads its own copies: it has one of every shard, and prefers it. */
export async function lostAt(httpUrl: string, documents: readonly ExpectedDocument[]): Promise<number> {
  const client = new PrismClient({ endpoints: httpUrl, routing: false });
  const found = new Map<string, string>();
  try {
    const pages = client.collection(COLLECTION).scan({ include: ["at"], consistency: "eventual" });
    for await (const { id, term, seq } of pages) found.set(id, `${term}.${seq}`);
  } finally {
    await client.close();
  }
  return documents.filter(({ id, version, isOpen }) => {
    const now = found.get(id);
    if (version === undefined) return now !== undefined && !isOpen;
    return now !== version && !(isOpen && now !== undefined && seqOf(now) > seqOf(version));
  }).length;
}
