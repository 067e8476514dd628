/** Real node processes; needs built output of the data plane and of this package. */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseCluster } from "@prism/api/cluster";
import { afterEach, describe, expect, test } from "vitest";
import { DirectoryInUse } from "./adapters/local/lock-file.js";
import { ClusterConflict } from "./control/cluster-bootstrap.js";
import { startLocalCluster, type LocalCluster } from "./local-cluster.js";

const TEST_TIMEOUT_MS = 120_000;
const cleanups: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}, TEST_TIMEOUT_MS);

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "prism-cluster-"));
  cleanups.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function clusterOf(nodes = 3): ReturnType<typeof parseCluster> {
  return parseCluster({
    apiVersion: "prism.dev/v1alpha1",
    kind: "PrismCluster",
    metadata: { name: "demo" },
    spec: { version: "0.1.0", nodes },
  });
}

async function start(dataDirectory: string, nodes = 3): Promise<LocalCluster> {
  const cluster = await startLocalCluster({ cluster: clusterOf(nodes), dataDirectory, workersPerNode: 1 });
  cleanups.push(() => cluster.stop());
  return cluster;
}

async function send(method: string, url: string, body: unknown): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url, {
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

async function whole(cluster: LocalCluster): Promise<void> {
  const reached = await cluster.waitFor((status) => status.status === "ok", 30_000);
  if (!reached) throw new Error(JSON.stringify(cluster.status().problems));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function until(condition: () => boolean | Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const deadlineMs = Date.now() + timeoutMs;
  while (Date.now() < deadlineMs) {
    if (await condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return condition();
}

describe("local cluster", () => {
  test(
    "acknowledged documents survive a killed primary, a leaving node and a restart of everything",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      const dataDirectory = directory();
      const cluster = await start(dataDirectory);
      const url = (name: string): string =>
        cluster.addresses().find((node) => node.name === name)?.httpUrl ?? "";
      const [first] = cluster.nodeNames() as [string];
      const created = await send("PUT", `${url(first)}/api/v1/collections/speeches`, {
        shards: 1,
        fields: [{ name: "title", type: "text" }],
      });
      expect(created.status).toBe(201);
      await whole(cluster);
      const documents = "/api/v1/collections/speeches/documents";
      expect((await send("PUT", `${url(first)}${documents}/1`, { title: "one" })).status).toBe(201);

      const killed = cluster.status().shards[0]?.primary ?? "";
      const other = cluster.nodeNames().find((name) => name !== killed) ?? "";
      expect(cluster.node(killed).kill("SIGKILL")).toBe(true);
      const led = await cluster.waitFor(
        ({ shards }) => shards.every((shard) => shard.primary !== null && shard.primary !== killed),
        10_000,
      );
      expect(led).toBe(true);
      expect((await send("PUT", `${url(other)}${documents}/2`, { title: "two" })).status).toBe(201);
      await whole(cluster);
      expect(cluster.events().map((event) => event.reason)).toContain("WorkloadExited");

      const leaving = cluster.status().shards[0]?.primary ?? "";
      const promotions = cluster.events().length;
      await cluster.node(leaving).stop("SIGTERM");
      expect(cluster.status().shards[0]?.primary).not.toBe(leaving);
      const reasons = cluster
        .events()
        .slice(promotions)
        .map((event) => event.reason);
      expect(reasons).toContain("HandOff");
      expect(reasons).not.toContain("PrimarySuspect");
      await cluster.node(leaving).start();
      await whole(cluster);

      await cluster.stop();
      const again = await start(dataDirectory);
      expect(again.controlPlane.clusterId).toBe(cluster.controlPlane.clusterId);
      await whole(again);
      const [address] = again.addresses();
      for (const [id, title] of [
        ["1", "one"],
        ["2", "two"],
      ]) {
        const response = await fetch(`${address?.httpUrl}${documents}/${id}`);
        expect(await response.json()).toMatchObject({ id, fields: { title } });
      }
    },
  );

  test(
    "a data directory belongs to one process, and to one cluster that does not shrink",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      const dataDirectory = directory();
      const cluster = await start(dataDirectory, 2);
      await expect(start(dataDirectory, 2)).rejects.toThrow(DirectoryInUse);
      await cluster.stop();
      await expect(
        startLocalCluster({ cluster: { ...clusterOf(2), metadata: { name: "other" } }, dataDirectory }),
      ).rejects.toThrow(ClusterConflict);
      await expect(startLocalCluster({ cluster: parseSingle(), dataDirectory })).rejects.toThrow(
        ClusterConflict,
      );
      expect(existsSync(join(dataDirectory, "operator.lock"))).toBe(false);
    },
  );
});

function parseSingle(): ReturnType<typeof parseCluster> {
  return parseCluster({
    apiVersion: "prism.dev/v1alpha1",
    kind: "PrismCluster",
    metadata: { name: "demo" },
    spec: { version: "0.1.0", mode: "Single" },
  });
}

describe("the program", () => {
  interface OperatorFile {
    readonly pid: number;
    readonly adminUrl: string;
  }

  function run(dataDirectory: string): ChildProcess {
    const clusterFile = join(dataDirectory, "cluster.yaml");
    const text = `apiVersion: prism.dev/v1alpha1\nkind: PrismCluster\nmetadata: {name: demo}\nspec: {version: 0.1.0, nodes: 2}\n`;
    writeFileSync(clusterFile, text);
    const program = fileURLToPath(new URL("../dist/main.js", import.meta.url));
    const args = ["--cluster", clusterFile, "--data", join(dataDirectory, "data"), "--admin-port", "0"];
    const child = spawn(process.execPath, [program, ...args, "--workers", "1"], { stdio: "ignore" });
    cleanups.push(() => {
      child.kill("SIGKILL");
    });
    return child;
  }

  function operatorFile(dataDirectory: string): OperatorFile | undefined {
    const path = join(dataDirectory, "data/operator.json");
    return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as OperatorFile) : undefined;
  }

  async function ready(child: ChildProcess, dataDirectory: string): Promise<string> {
    let adminUrl = "";
    const isReady = await until(async () => {
      const file = operatorFile(dataDirectory);
      if (file?.pid !== child.pid) return false;
      adminUrl = file?.adminUrl ?? "";
      const response = await fetch(`${adminUrl}/readyz`).catch(() => undefined);
      return response?.status === 200;
    }, 30_000);
    expect(isReady).toBe(true);
    return adminUrl;
  }

  function nodePids(dataDirectory: string): number[] {
    return ["node-a-0", "node-b-0"].map((name) => {
      const path = join(dataDirectory, "data/nodes", name, "data/listening.json");
      return (JSON.parse(readFileSync(path, "utf8")) as { pid: number }).pid;
    });
  }

  test(
    "leaves no node behind when it is killed, starts again over the remains, and ends in order when told",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      const dataDirectory = directory();
      const killed = run(dataDirectory);
      await ready(killed, dataDirectory);
      const pids = nodePids(dataDirectory);
      expect(pids.every(isAlive)).toBe(true);
      killed.kill("SIGKILL");
      expect(await until(() => !pids.some(isAlive), 15_000)).toBe(true);

      const second = run(dataDirectory);
      const adminUrl = await ready(second, dataDirectory);
      const status = await (await fetch(`${adminUrl}/status`)).json();
      expect(status).toMatchObject({ clusterName: "demo", activeNodes: 2 });
      const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
      for (const name of ["prism_leader 1", "prism_node_state", "prism_workqueue_depth"]) {
        expect(metrics).toContain(name);
      }
      const ended = new Promise<number | null>((resolve) => second.once("exit", (code) => resolve(code)));
      second.kill("SIGTERM");
      expect(await ended).toBe(0);
      expect(operatorFile(dataDirectory)).toBeUndefined();
    },
  );
});
