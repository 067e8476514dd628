import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_LIMITS } from "@prism/api/limits";
import { ShardCall } from "@prism/proto/frame-kind";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { toWireMap } from "./adapters/wire/cluster-map.js";
import type { HostPort, NodeSettings } from "./config.js";
import type { ClusterMap, NodeId, ShardUid } from "./domain/cluster-map.js";
import { Node } from "./node.js";
import { clusterMap } from "./testing/cluster-map-builder.js";
import { ControlPlaneEnd } from "./testing/control-plane-end.js";

const WAIT = { timeout: 10_000, interval: 10 };
const ANY = { host: "127.0.0.1", port: 0 };
const CALL = { timeoutMs: 5000 };
const SHARD = "s1" as ShardUid;

let directory: string;
const nodes: Node[] = [];
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "prism-node-"))));
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop("the test ends")));
  rmSync(directory, { recursive: true, force: true });
});

interface StartOptions {
  readonly onFatal?: (detail: string) => void;
  readonly peerAddress?: HostPort;
}

async function start(name: string, options: StartOptions = {}): Promise<Node> {
  const { onFatal = () => undefined, peerAddress = ANY } = options;
  const settings: NodeSettings = {
    dataDirectory: join(directory, name),
    name,
    httpAddress: ANY,
    peerAddress,
    adminAddress: ANY,
    advertiseHost: "",
    tlsDirectory: "",
    workers: 2,
    limits: DEFAULT_LIMITS,
    logLevel: "silent",
    exitWithParent: false,
  };
  const workerEntry = new URL("./adapters/threads/testdata/fake-worker.mjs", import.meta.url);
  const logger = pino({ level: "silent" });
  const node = await Node.start({ settings, version: "0.1.0", workerEntry, onFatal, logger });
  nodes.push(node);
  return node;
}

function mapOf(...members: readonly Node[]): ClusterMap {
  const entries = members.map((node) => ({
    id: node.nodeId,
    peerAddress: node.addresses.peer,
    bootId: node.bootId,
  }));
  return clusterMap({ nodes: entries, shards: [SHARD] });
}

async function give(node: Node, map: ClusterMap): Promise<ControlPlaneEnd> {
  const control = new ControlPlaneEnd(node.addresses.peer);
  control.hello(map.leaderEpoch, map.clusterId);
  await control.frame("nodeHello");
  control.send({ map: toWireMap(map) });
  await control.frame("mapApplied");
  return control;
}

async function probe(node: Node, path: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://${node.addresses.admin}${path}`);
  return { status: response.status, text: await response.text() };
}

describe("a node", () => {
  test("is live from the start, and ready once it has a map", async () => {
    const node = await start("a");
    expect((await probe(node, "/livez")).status).toBe(200);
    const before = await probe(node, "/readyz");
    expect(before.status).toBe(503);
    expect(before.text).toContain("no cluster map yet");
    const control = await give(node, mapOf(node));
    await vi.waitFor(async () => expect((await probe(node, "/readyz")).status).toBe(200), WAIT);
    control.send({ heartbeat: { sentAtMs: 5 } });
    const found = await vi.waitFor(() => {
      const report = control.frames.find((frame) => frame.report?.sentAtMs === 5)?.report;
      if (report === undefined) throw new Error("no report");
      return report;
    }, WAIT);
    expect(found).toMatchObject({ ready: true, draining: false, mapRevision: 1 });
    expect(found.workerSilenceMs).toHaveLength(2);
    expect(found.copies.map(({ shardUid }) => shardUid)).toEqual([SHARD, SHARD]);
    expect(found.diskFreeBytes).toBeGreaterThan(0);
  });

  test("tells what it is by metrics and debug", async () => {
    const node = await start("a");
    await give(node, mapOf(node));
    expect((await fetch(`http://${node.addresses.http}/api/v1/status`)).status).toBe(200);
    await vi.waitFor(async () => {
      const { text } = await probe(node, "/metrics");
      expect(text).toContain(`prism_node_state{node_id="${node.nodeId}",state="alive"} 1`);
      expect(text).toContain(`prism_shard_status{shard="${SHARD}",state="primary"} 1`);
      expect(text).toContain('prism_event_loop_delay_seconds{thread="main"}');
      expect(text).toContain('prism_memory_budget_bytes{part="index"}');
      expect(text).toMatch(
        /prism_http_requests_total\{method="GET",route="\/api\/v1\/status",status="200"\} 1/,
      );
    }, WAIT);
    const debug = JSON.parse((await probe(node, "/debug")).text) as { map: ClusterMap };
    expect(debug.map.revision).toBe(1);
    const events = async (query: string) => await probe(node, `/debug/protocol-events${query}`);
    expect(JSON.parse((await events(`?shard=${SHARD}`)).text)).toEqual({ events: [] });
    expect((await events("?uid=x")).status).toBe(400);
  });

  test("calls its own workers and those of its peers alike, and both ways", async () => {
    const [one, other] = [await start("a"), await start("b")];
    const map = mapOf(one, other);
    await Promise.all([give(one, map), give(other, map)]);
    for (const [from, to] of [
      [one, other],
      [other, one],
      [one, one],
    ] as const) {
      await vi.waitFor(() => expect(from.shardCalls.isReachable(to.nodeId)).toBe(true), WAIT);
      const target = { node: to.nodeId, shard: SHARD };
      const answer = await from.shardCalls.call(target, ShardCall.search, Uint8Array.of(21, 0), CALL);
      expect([...answer]).toEqual([42]);
      const refused = from.shardCalls.call(target, ShardCall.fetch, Uint8Array.of(1), CALL);
      await expect(refused).rejects.toMatchObject({ code: "noPrimary", primaryNode: "n2" });
    }
    const nowhere = { node: "n9" as NodeId, shard: SHARD };
    const call = one.shardCalls.call(nowhere, ShardCall.get, Uint8Array.of(1), CALL);
    await expect(call).rejects.toMatchObject({ code: "shardUnavailable", executed: "no" });
  });

  test("notices at once that a peer stopped", async () => {
    const [one, other] = [await start("a"), await start("b")];
    const map = mapOf(one, other);
    await Promise.all([give(one, map), give(other, map)]);
    await vi.waitFor(() => expect(one.shardCalls.isReachable(other.nodeId)).toBe(true), WAIT);
    await other.stop("test");
    await vi.waitFor(() => expect(one.shardCalls.isReachable(other.nodeId)).toBe(false), {
      timeout: 1000,
      interval: 5,
    });
  });

  test("knows its id, cluster and map again after a restart without a control plane", async () => {
    const first = await start("a");
    await give(first, mapOf(first));
    await first.stop("test");
    const second = await start("a");
    expect(second.nodeId).toBe(first.nodeId);
    expect(second.bootId).not.toBe(first.bootId);
    expect(second.clusterView.map()?.revision).toBe(1);
    const target = { node: second.nodeId, shard: SHARD };
    const answer = await second.shardCalls.call(target, ShardCall.search, Uint8Array.of(2, 0), CALL);
    expect([...answer]).toEqual([4]);
    const stranger = new ControlPlaneEnd(second.addresses.peer);
    stranger.hello(9, "another-cluster");
    await vi.waitFor(() => expect(stranger.closedBecause).toContain("belongs to cluster"), WAIT);
  });

  test("tells a supervisor where it listens", async () => {
    const node = await start("a");
    const record: unknown = JSON.parse(readFileSync(join(directory, "a", "listening.json"), "utf8"));
    expect(record).toMatchObject({
      pid: process.pid,
      bootId: node.bootId,
      peerAddress: node.addresses.peer,
      httpUrl: `http://${node.addresses.http}`,
      adminUrl: `http://${node.addresses.admin}`,
    });
  });

  test("tells the control plane before it leaves, and that it drains", async () => {
    const node = await start("a");
    const control = await give(node, mapOf(node));
    await node.stop("test");
    expect(await control.frame("drain")).toEqual({ reason: "test" });
    expect(control.frames.some((frame) => frame.report?.draining === true)).toBe(true);
  });

  test("is not ready as soon as it is told to stop, and waits for no hand-off once the control plane is gone", async () => {
    const node = await start("no-successor");
    const control = await give(node, mapOf(node));
    await vi.waitFor(async () => expect((await probe(node, "/readyz")).status).toBe(200), WAIT);
    let hasStopped = false;
    const stopped = node.stop("test").then(() => (hasStopped = true));
    const { status, text } = await probe(node, "/readyz");
    expect([status, JSON.parse(text)]).toEqual([503, { ready: false, reasons: ["draining"] }]);
    expect((await probe(node, "/livez")).status).toBe(200);
    await control.frame("drain");
    expect(hasStopped).toBe(false);
    const goneMs = performance.now();
    control.hangUp();
    await stopped;
    // The time for a hand-off is 4 s.
    expect(performance.now() - goneMs).toBeLessThan(3500);
  });

  test("has started once its workers have, without a map and without peers", async () => {
    const node = await start("a");
    await vi.waitFor(async () => expect((await probe(node, "/startupz")).status).toBe(200), WAIT);
    expect((await probe(node, "/readyz")).status).toBe(503);
  });

  test("reports the copies of a worker that died as failed, and that it can't go on", async () => {
    const onFatal = vi.fn();
    const node = await start("a", { onFatal });
    const control = await give(node, mapOf(node));
    await vi.waitFor(
      () => expect(control.frames.some((frame) => frame.report?.copies.length === 2)).toBe(true),
      WAIT,
    );
    const target = { node: node.nodeId, shard: SHARD };
    const killer = node.shardCalls.call(target, ShardCall.scan, Uint8Array.of(1), CALL);
    await expect(killer).rejects.toMatchObject({ code: "shardUnavailable" });
    await vi.waitFor(() => expect(onFatal).toHaveBeenCalledOnce(), WAIT);
    const failed = () =>
      control.frames.some((frame) => frame.report?.copies.some(({ role }) => role === "failed"));
    await vi.waitFor(() => expect(failed()).toBe(true), WAIT);
  });

  test("does not start where another one listens, and leaves its data directory free", async () => {
    const node = await start("a");
    const port = Number(node.addresses.peer.split(":").at(-1));
    const attempt = start("b", { peerAddress: { ...ANY, port } });
    await expect(attempt).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining("peerAddress"),
    });
    await start("b");
  });
});
