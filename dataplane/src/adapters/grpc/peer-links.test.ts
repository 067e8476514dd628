import { PLAIN } from "@prism/proto/internal-credentials";
import { pino } from "pino";
import { afterEach, expect, test, vi } from "vitest";
import type { ClusterMap, NodeId } from "../../domain/cluster-map.js";
import { clusterMap } from "../../testing/cluster-map-builder.js";
import { startInternalServer, type InternalServer } from "./internal-server.js";
import { PeerEndpoint } from "./peer-endpoint.js";
import { PeerLinks } from "./peer-links.js";

const WAIT = { timeout: 5000, interval: 5 };
const PEER = "n2" as NodeId;
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function startPeer(bootId: string): Promise<InternalServer> {
  const endpoint = new PeerEndpoint({
    identity: () => ({ clusterId: "cluster-1", nodeId: PEER, bootId }),
    shards: { call: async (_shard, _call, payload) => payload },
    onReplication: () => undefined,
    onPeerSeen: () => undefined,
    logger: pino({ level: "silent" }),
  });
  const handlers = { peer: endpoint.accept, control: () => undefined, onRefused: () => undefined };
  const server = await startInternalServer({ host: "127.0.0.1", port: 0 }, handlers, PLAIN);
  closers.push(() => server.close());
  return server;
}

function mapWith(port: number, bootId: string): ClusterMap {
  return clusterMap({ nodes: [{ id: PEER, peerAddress: `127.0.0.1:${port}`, bootId }], shards: [] });
}

test("a node that comes back at another address is dialled there as soon as the map says so", async () => {
  const changes: boolean[] = [];
  const links = new PeerLinks({
    nodeId: "n1" as NodeId,
    bootId: "boot-1",
    credentials: PLAIN,
    onConnectionChange: (_node, connected) => changes.push(connected),
    logger: pino({ level: "silent" }),
    random: () => 0.5,
  });
  closers.push(() => links.close());
  const first = await startPeer("boot-2");
  links.applyMap(mapWith(first.port, "boot-2"));
  await vi.waitFor(() => expect(links.isConnected(PEER)).toBe(true), WAIT);
  first.close();
  await vi.waitFor(() => expect(links.isConnected(PEER)).toBe(false), WAIT);
  const second = await startPeer("boot-3");
  expect(second.port).not.toBe(first.port);
  links.applyMap(mapWith(second.port, "boot-3"));
  await vi.waitFor(() => expect(links.isConnected(PEER)).toBe(true), WAIT);
  expect(changes).toEqual([true, false, true]);
});
