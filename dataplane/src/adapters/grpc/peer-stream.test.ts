import { connect, createServer, type Socket } from "node:net";
import { PeerFrameKind, ShardCall } from "@prism/proto/frame-kind";
import { PeerFrames, type PeerFrame } from "@prism/proto/gen/node";
import { PLAIN } from "@prism/proto/internal-credentials";
import { pino } from "pino";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { NodeId, ShardUid } from "../../domain/cluster-map.js";
import type { LocalShards } from "../../services/routed-shard-calls.js";
import { ShardProblem } from "../../services/shard-calls.js";
import { startInternalServer } from "./internal-server.js";
import { PeerEndpoint } from "./peer-endpoint.js";
import { MAX_PAYLOAD_BYTES } from "./peer-frames.js";
import { PeerLink } from "./peer-link.js";

const SHARD = "s1" as ShardUid;
const HOST = "127.0.0.1";
const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

interface PeerOptions {
  readonly port?: number;
  readonly clusterId?: string;
  readonly nodeId?: string;
  readonly shards?: LocalShards;
  readonly onReplication?: (shard: ShardUid, payload: Uint8Array) => void;
}

function encodePeerFrame(frame: Partial<PeerFrame>): Buffer {
  const whole = { id: 0, kind: 0, call: 0, shard: "", timeoutMs: 0, payload: new Uint8Array(0), ...frame };
  return Buffer.from(PeerFrames.encode({ frames: [whole] }));
}

/** The accepting node; answers with the payload reversed unless told otherwise. */
async function startPeer(options: PeerOptions = {}) {
  const endpoint = new PeerEndpoint({
    identity: () => ({
      clusterId: options.clusterId ?? "cluster-1",
      nodeId: options.nodeId ?? "n2",
      bootId: "boot-2",
    }),
    shards: options.shards ?? { call: async (_shard, _call, payload) => Uint8Array.from(payload).reverse() },
    onReplication: options.onReplication ?? (() => undefined),
    onPeerSeen: () => undefined,
    logger: pino({ level: "silent" }),
  });
  const handlers = { peer: endpoint.accept, control: () => undefined, onRefused: () => undefined };
  const server = await startInternalServer({ host: HOST, port: options.port ?? 0 }, handlers, PLAIN);
  closers.push(() => server.close());
  return server;
}

function dial(port: number, onConnectionChange: (connected: boolean) => void = () => undefined): PeerLink {
  const link = new PeerLink({
    self: { clusterId: "cluster-1", nodeId: "n1", bootId: "boot-1" },
    peerNodeId: "n2",
    address: `${HOST}:${port}`,
    credentials: PLAIN,
    onConnectionChange,
    logger: pino({ level: "silent" }),
    random: () => 0.5,
  });
  closers.push(() => link.close());
  return link;
}

async function connected(link: PeerLink): Promise<PeerLink> {
  await vi.waitFor(() => expect(link.isConnected).toBe(true), { timeout: 5000, interval: 5 });
  return link;
}

/** Passes bytes between a port of its own and the target, until told to go silent or to cut. */
async function startProxy(target: number) {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(target, HOST);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => sockets.delete(socket));
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  const cut = (): void => sockets.forEach((socket) => socket.destroy());
  /** As when a machine loses power: nothing arrives any more, nothing is closed. */
  const goSilent = (): void =>
    sockets.forEach((socket) => {
      socket.unpipe();
      socket.pause();
    });
  closers.push(() => {
    cut();
    server.close();
  });
  return { port: address.port, cut, goSilent };
}

describe("a peer stream", () => {
  test("carries requests that are answered out of order", async () => {
    const waiting: (() => void)[] = [];
    const shards: LocalShards = {
      call: async (_shard, call, payload) => {
        if (call === ShardCall.get) await new Promise<void>((resolve) => waiting.push(resolve));
        return payload;
      },
    };
    const link = await connected(dial((await startPeer({ shards })).port));
    const first = link.call(SHARD, ShardCall.get, Uint8Array.of(1), { timeoutMs: 5000 });
    const second = link.call(SHARD, ShardCall.search, Uint8Array.of(2), { timeoutMs: 5000 });
    expect([...(await second)]).toEqual([2]);
    expect(waiting).toHaveLength(1);
    waiting[0]?.();
    expect([...(await first)]).toEqual([1]);
  });

  test("carries many large and small requests at once, each answer to its caller", async () => {
    const link = await connected(dial((await startPeer()).port));
    const sizes = Array.from({ length: 200 }, (_, i) => (i % 20 === 0 ? 1_000_000 : 1 + i));
    const answers = await Promise.all(
      sizes.map((size, i) => {
        const payload = new Uint8Array(size);
        payload[0] = i;
        return link.call(SHARD, ShardCall.search, payload, { timeoutMs: 20_000 });
      }),
    );
    answers.forEach((answer, i) => {
      expect(answer.byteLength).toBe(sizes[i]);
      expect(answer.at(-1)).toBe(i);
    });
  });

  test("passes a refusal on with its code, its places and the primary's node", async () => {
    const shards: LocalShards = {
      call: () => {
        const violations = [{ pointer: "/0", code: "versionConflict" as const, detail: "is 1.2" }];
        const primaryNode = "n3" as NodeId;
        return Promise.reject(new ShardProblem("noPrimary", "moved", { violations, primaryNode }));
      },
    };
    const link = await connected(dial((await startPeer({ shards })).port));
    const call = link.call(SHARD, ShardCall.write, Uint8Array.of(1), { timeoutMs: 5000 });
    await expect(call).rejects.toMatchObject({
      code: "noPrimary",
      detail: "moved",
      executed: "no",
      primaryNode: "n3",
      violations: [{ pointer: "/0", code: "versionConflict", detail: "is 1.2" }],
    });
  });

  test("ends a call at its time limit, tells the peer, and goes on", async () => {
    const aborted = vi.fn();
    const timeouts: number[] = [];
    const shards: LocalShards = {
      call: (_shard, call, payload, { timeoutMs, signal }) => {
        if (call !== ShardCall.get) return Promise.resolve(payload);
        timeouts.push(timeoutMs);
        return new Promise((_resolve, reject) => {
          signal?.addEventListener("abort", () => {
            aborted();
            reject(new ShardProblem("timeout", "given up"));
          });
        });
      },
    };
    const link = await connected(dial((await startPeer({ shards })).port));
    const call = link.call(SHARD, ShardCall.get, Uint8Array.of(1), { timeoutMs: 40 });
    await expect(call).rejects.toMatchObject({ code: "timeout", executed: "no" });
    await vi.waitFor(() => expect(aborted).toHaveBeenCalledOnce(), { timeout: 5000, interval: 5 });
    expect(timeouts).toEqual([40]);
    const controller = new AbortController();
    const signal = controller.signal;
    const cancelled = link.call(SHARD, ShardCall.get, Uint8Array.of(1), { timeoutMs: 60_000, signal });
    controller.abort();
    await expect(cancelled).rejects.toMatchObject({ code: "timeout" });
    await vi.waitFor(() => expect(aborted).toHaveBeenCalledTimes(2), { timeout: 5000, interval: 5 });
    await expect(
      link.call(SHARD, ShardCall.search, Uint8Array.of(5), { timeoutMs: 5000 }),
    ).resolves.toBeDefined();
  });

  test("delivers one-way frames in the order sent", async () => {
    const received: number[] = [];
    const onReplication = (_shard: ShardUid, payload: Uint8Array): void =>
      void received.push(payload[0] ?? -1);
    const link = await connected(dial((await startPeer({ onReplication })).port));
    for (let i = 0; i < 100; i++) link.sendOneWay(ShardCall.replication, SHARD, Uint8Array.of(i));
    await vi.waitFor(() => expect(received).toHaveLength(100), { timeout: 5000, interval: 5 });
    expect(received).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  test("notices a cut at once, ends what is in flight, and connects again", async () => {
    const shards: LocalShards = { call: () => new Promise(() => undefined) };
    const peer = await startPeer({ shards });
    const proxy = await startProxy(peer.port);
    const changes: boolean[] = [];
    const link = await connected(dial(proxy.port, (isConnected) => changes.push(isConnected)));
    const read = link.call(SHARD, ShardCall.get, Uint8Array.of(1), { timeoutMs: 60_000 });
    const write = link.call(SHARD, ShardCall.write, Uint8Array.of(1), { timeoutMs: 60_000 });
    const cutAtMs = performance.now();
    proxy.cut();
    await Promise.all([
      expect(read).rejects.toMatchObject({ code: "shardUnavailable", executed: "no" }),
      expect(write).rejects.toMatchObject({ code: "shardUnavailable", executed: "unknown" }),
    ]);
    // The keepalive alone would take seconds.
    expect(performance.now() - cutAtMs).toBeLessThan(1000);
    await connected(link);
    expect(changes).toEqual([true, false, true]);
  });

  test("notices a connection that is open but dead", { timeout: 30_000 }, async () => {
    const proxy = await startProxy((await startPeer()).port);
    const changes: boolean[] = [];
    await connected(dial(proxy.port, (isConnected) => changes.push(isConnected)));
    proxy.goSilent();
    // The next connection lives: looked at now and then, the link may be back before anybody has seen it gone.
    await vi.waitFor(() => expect(changes).toEqual([true, false, true]), { timeout: 20_000, interval: 20 });
  });

  test("refuses calls at once while the peer is away, and connects when it comes", async () => {
    const first = await startPeer();
    const link = await connected(dial(first.port));
    first.close();
    await vi.waitFor(() => expect(link.isConnected).toBe(false), { timeout: 5000, interval: 5 });
    const call = link.call(SHARD, ShardCall.write, Uint8Array.of(1), { timeoutMs: 60_000 });
    await expect(call).rejects.toMatchObject({ code: "shardUnavailable", executed: "no" });
    await startPeer({ port: first.port });
    await connected(link);
  });

  test("refuses a message that no frame can hold before sending it, and goes on", async () => {
    const link = await connected(dial((await startPeer()).port));
    const call = link.call(SHARD, ShardCall.write, new Uint8Array(MAX_PAYLOAD_BYTES + 1), {
      timeoutMs: 5000,
    });
    await expect(call).rejects.toMatchObject({ code: "limitExceeded", executed: "no" });
    expect(link.isConnected).toBe(true);
    const small = await link.call(SHARD, ShardCall.search, Uint8Array.of(1, 2), { timeoutMs: 5000 });
    expect([...small]).toEqual([2, 1]);
  });

  test("answers with an error instead of a message that no frame can hold", async () => {
    const shards: LocalShards = {
      call: (_shard, call) =>
        Promise.resolve(new Uint8Array(call === ShardCall.scan ? MAX_PAYLOAD_BYTES + 1 : 3)),
    };
    const link = await connected(dial((await startPeer({ shards })).port));
    const call = link.call(SHARD, ShardCall.scan, Uint8Array.of(1), { timeoutMs: 20_000 });
    await expect(call).rejects.toMatchObject({ code: "limitExceeded" });
    const small = await link.call(SHARD, ShardCall.get, Uint8Array.of(1), { timeoutMs: 5000 });
    expect(small.byteLength).toBe(3);
  });

  test("that was replaced by a newer one of the same process is closed, and its requests are given up", async () => {
    const arrived = vi.fn();
    const aborted = vi.fn();
    const shards: LocalShards = {
      call: (_shard, _call, _payload, { signal }) => {
        arrived();
        return new Promise(() => signal?.addEventListener("abort", aborted));
      },
    };
    const peer = await startPeer({ shards });
    const proxy = await startProxy(peer.port);
    const older = await connected(dial(proxy.port));
    const call = older.call(SHARD, ShardCall.get, Uint8Array.of(1), { timeoutMs: 60_000 });
    call.catch(() => undefined);
    await vi.waitFor(() => expect(arrived).toHaveBeenCalledOnce(), { timeout: 5000, interval: 5 });
    proxy.goSilent();
    const dialledAtMs = performance.now();
    await connected(dial(peer.port));
    await vi.waitFor(() => expect(aborted).toHaveBeenCalledOnce(), { timeout: 5000, interval: 5 });
    // The keepalive would notice too, seconds later.
    expect(performance.now() - dialledAtMs).toBeLessThan(1500);
  });

  test.each([
    ["hello", encodePeerFrame({ kind: PeerFrameKind.hello, payload: Uint8Array.of(0x0a, 0xff) })],
    ["frame", Buffer.of(0x0a, 0xff)],
  ])("is dropped when the peer's %s does not parse, and tried again", async (_what, bytes) => {
    let dialled = 0;
    const peer = (stream: { write(bytes: Buffer): void }): void => {
      dialled += 1;
      stream.write(bytes);
    };
    const handlers = { peer, control: () => undefined, onRefused: () => undefined };
    const server = await startInternalServer({ host: HOST, port: 0 }, handlers, PLAIN);
    closers.push(() => server.close());
    const link = dial(server.port);
    await vi.waitFor(() => expect(dialled).toBeGreaterThanOrEqual(2), { timeout: 5000, interval: 5 });
    expect(link.describe()["lastBreak"]).toMatch(/does not parse/);
    expect(link.isConnected).toBe(false);
  });

  test.each([
    ["of another cluster", { clusterId: "cluster-2" }],
    ["that belongs to no cluster yet", { clusterId: "" }],
    ["that is another than the map says", { nodeId: "n9" }],
  ])("is not made with a node %s", async (_name, options) => {
    const peer = await startPeer(options);
    const changes: boolean[] = [];
    const link = dial(peer.port, (isConnected) => changes.push(isConnected));
    await vi.waitFor(() => expect(link.describe()["lastBreak"]).toMatch(/belongs to|answers there/), {
      timeout: 5000,
      interval: 5,
    });
    expect(link.isConnected).toBe(false);
    expect(changes).toEqual([]);
  });
});
