import type { NodeHello, NodeReport } from "@prism/proto/gen/node";
import { PLAIN } from "@prism/proto/internal-credentials";
import { pino } from "pino";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { NodeId } from "../../domain/cluster-map.js";
import { CurrentMap } from "../../services/current-map.js";
import { clusterMap } from "../../testing/cluster-map-builder.js";
import { ControlPlaneEnd } from "../../testing/control-plane-end.js";
import { toWireMap } from "../wire/cluster-map.js";
import { ControlEndpoint, type ControlEndpointSettings } from "./control-endpoint.js";
import { startInternalServer } from "./internal-server.js";

const WAIT = { timeout: 5000, interval: 5 };
const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

const HELLO: NodeHello = {
  clusterId: "cluster-1",
  nodeId: "n1",
  bootId: "b1",
  name: "a-0",
  version: "0.1.0",
  format: 1,
  peerAddress: "127.0.0.1:1",
  httpUrl: "",
  adminUrl: "",
  workers: 1,
  takesDeltas: true,
};

async function startNode(settings: Partial<ControlEndpointSettings> = {}) {
  const current = new CurrentMap("n1" as NodeId);
  const report = (): NodeReport => ({
    sentAtMs: 0,
    workerSilenceMs: [0],
    copies: [],
    ready: true,
    draining: false,
    mapRevision: current.map()?.revision ?? 0,
    diskFreeBytes: 2 ** 40,
    diskFull: false,
    memoryUsedBytes: 1,
  });
  const endpoint = new ControlEndpoint({
    nodeHello: () => HELLO,
    nodeReport: report,
    clusterId: () => "cluster-1",
    joinCluster: () => undefined,
    maps: current,
    leaderEpoch: 0,
    logger: pino({ level: "silent" }),
    ...settings,
  });
  const handlers = { peer: () => undefined, control: endpoint.accept, onRefused: () => undefined };
  const server = await startInternalServer({ host: "127.0.0.1", port: 0 }, handlers, PLAIN);
  closers.push(() => server.close());
  return { endpoint, current, port: server.port };
}

function dial(port: number): ControlPlaneEnd {
  const control = new ControlPlaneEnd(`127.0.0.1:${port}`);
  closers.push(() => control.hangUp());
  return control;
}

async function connect(port: number, leaderEpoch = 1): Promise<ControlPlaneEnd> {
  const control = dial(port);
  control.hello(leaderEpoch);
  await control.frame("nodeHello");
  return control;
}

describe("the control endpoint", () => {
  test("says who the node is, and reports on each heartbeat with the heartbeat's time", async () => {
    const { port } = await startNode();
    const control = await connect(port);
    expect(await control.frame("nodeHello")).toEqual(HELLO);
    control.send({ heartbeat: { sentAtMs: 1234567890123 } });
    expect(await control.frame("report")).toMatchObject({ sentAtMs: 1234567890123, diskFreeBytes: 2 ** 40 });
  });

  test("reports changes that come together once, unasked", async () => {
    const { endpoint, port } = await startNode();
    const control = await connect(port);
    for (let i = 0; i < 10; i++) endpoint.reportSoon();
    await control.frame("report");
    endpoint.requestCopyChange({
      shardUid: "s",
      action: "removeCopy",
      allocationId: "a",
      term: 3,
      reason: "NodeDead",
    });
    expect(await control.frame("copyRequest")).toMatchObject({ action: "removeCopy", term: 3 });
    expect(control.frames.filter((frame) => frame.report !== undefined)).toHaveLength(1);
  });

  test("takes newer maps only, and tells the revision it has", async () => {
    const { current, port } = await startNode();
    const control = await connect(port, 2);
    const send = (leaderEpoch: number, revision: number): void =>
      control.send({ map: toWireMap(clusterMap({ leaderEpoch, revision })) });
    send(2, 7);
    expect(await control.frame("mapApplied")).toEqual({ revision: 7, needsWhole: false });
    send(2, 6);
    expect(await control.frame("mapApplied", 2)).toEqual({ revision: 7, needsWhole: false });
    send(1, 99);
    expect(await control.frame("mapApplied", 3)).toEqual({ revision: 7, needsWhole: false });
    send(3, 1);
    expect(await control.frame("mapApplied", 4)).toEqual({ revision: 1, needsWhole: false });
    expect(current.map()).toEqual(clusterMap({ leaderEpoch: 3, revision: 1 }));
  });

  test("closes the stream of an older leader when a newer one comes, and refuses the older from then on", async () => {
    const { endpoint, port } = await startNode();
    const older = await connect(port, 4);
    const newer = await connect(port, 5);
    await vi.waitFor(() => expect(older.closedBecause).toContain("epoch 5 took over"), WAIT);
    const late = dial(port);
    late.hello(4);
    await vi.waitFor(() => expect(late.closedBecause).toContain("older than 5"), WAIT);
    endpoint.reportNow();
    await newer.frame("report");
    expect(endpoint.isConnected()).toBe(true);
  });

  test("refuses leaders older than the map that the node started with", async () => {
    const { port } = await startNode({ leaderEpoch: 9 });
    const late = dial(port);
    late.hello(8);
    await vi.waitFor(() => expect(late.closedBecause).toContain("older than 9"), WAIT);
  });

  test("refuses the control plane of another cluster, and joins the first one it meets", async () => {
    const stranger = dial((await startNode()).port);
    stranger.hello(1, "cluster-2");
    await vi.waitFor(() => expect(stranger.closedBecause).toContain("belongs to cluster cluster-1"), WAIT);

    let clusterId = "";
    const joinCluster = (joined: string): void => void (clusterId = joined);
    const { port } = await startNode({ clusterId: () => clusterId, joinCluster });
    const first = dial(port);
    first.hello(1, "cluster-3");
    await first.frame("nodeHello");
    expect(clusterId).toBe("cluster-3");
  });

  test("closes on a map of another cluster or one that does not parse, and changes nothing", async () => {
    const { current, port } = await startNode();
    const foreign = await connect(port);
    foreign.send({ map: toWireMap(clusterMap({ clusterId: "cluster-2" })) });
    await vi.waitFor(() => expect(foreign.closedBecause).toContain("map of cluster cluster-2"), WAIT);
    const damaged = await connect(port);
    damaged.send({ map: { ...toWireMap(clusterMap()), settingsJson: Buffer.from("{") } });
    await vi.waitFor(() => expect(damaged.closedBecause).toContain("JSON"), WAIT);
    expect(current.map()).toBeUndefined();
  });

  test("brings a collection's change to the control plane and its answer back", async () => {
    const { endpoint, port } = await startNode();
    const control = await connect(port);
    const asked = endpoint.requestCollection("create", "speeches", { shards: 3 }, { timeoutMs: 5000 });
    await control.frame("collectionRequest");
    const request = control.frames.find((frame) => frame.collectionRequest !== undefined);
    expect(request?.collectionRequest).toMatchObject({ action: "create", name: "speeches" });
    expect(JSON.parse(Buffer.from(request?.collectionRequest?.specJson ?? []).toString())).toEqual({
      shards: 3,
    });
    const specJson = Buffer.from(JSON.stringify({ shards: 3, fields: [] }));
    control.send({ collectionAnswer: { result: "created", specJson } }, request?.id);
    expect(await asked).toEqual({ result: "created", spec: { shards: 3, fields: [] } });
  });

  test("tells apart a refusal, no control plane, and one that went away or is silent", async () => {
    const { endpoint, port } = await startNode();
    const ask = (timeoutMs: number) => endpoint.requestCollection("delete", "c", undefined, { timeoutMs });
    await expect(ask(1000)).rejects.toMatchObject({ code: "controlPlaneUnavailable" });
    const control = await connect(port);
    const refused = ask(5000);
    await control.frame("collectionRequest");
    const error = {
      code: "deletionProtected",
      detail: "c",
      executed: "no",
      errorsJson: new Uint8Array(0),
      primaryNode: "",
    };
    const id = control.frames.at(-1)?.id;
    control.send({ collectionAnswer: { result: "", specJson: new Uint8Array(0), error } }, id);
    await expect(refused).rejects.toMatchObject({ code: "deletionProtected", executed: "no" });
    await expect(ask(30)).rejects.toMatchObject({ code: "outcomeUnknown", executed: "unknown" });
    const orphaned = ask(60_000);
    control.hangUp();
    await expect(orphaned).rejects.toMatchObject({ code: "outcomeUnknown", executed: "unknown" });
    await expect(ask(1000)).rejects.toMatchObject({ code: "controlPlaneUnavailable" });
  });

  test("keeps the newest status", async () => {
    const { endpoint, port } = await startNode();
    const control = await connect(port);
    expect(endpoint.status()).toBeUndefined();
    control.send({ status: { statusJson: Buffer.from('{"status":"green"}') } });
    await vi.waitFor(() => expect(endpoint.status()).toEqual({ status: "green" }), WAIT);
  });
});
