/** The process that stands for all nodes of the measured cluster, so that the operator's own is measured alone. */
import { fromWireDelta, fromWireMap } from "@prism/dataplane/adapters/wire/cluster-map";
import type { ClusterMap, ShardMap } from "@prism/dataplane/domain/cluster-map";
import { applyMapDelta } from "@prism/dataplane/domain/map-delta";
import { decodeFrame } from "@prism/proto/deflated-frame";
import type { ControlFrame } from "@prism/proto/gen/node";
import { listen } from "./grpc-listener.js";
import type { PlannedNode } from "./scale-plan.js";
import { SimulatedNode, type ReadFrame, type SharedMap } from "./simulated-node.js";

export type HostOrder =
  | { readonly kind: "start"; readonly nodes: readonly PlannedNode[] }
  /** These are gone from now on: nothing tells of it but their silence. */
  | { readonly kind: "lose"; readonly zone: string; readonly noticedAfterMs: number };

export type HostWord =
  | { readonly kind: "started"; readonly ports: readonly number[] }
  /** All shards that a lost node led are led by another, which knows it. */
  | { readonly kind: "promoted"; readonly afterMs: number }
  /** All nodes that are left have a map in which no lost node leads; CPU time of this process since the loss. */
  | { readonly kind: "told"; readonly afterMs: number; readonly cpuMs: number };

const REPEAT_MS = 250;
/** Of frames; anything shorter is decoded by each node by itself. */
const SHARED_BYTES = 1024;
const KEPT_FRAMES = 8;
const KEPT_MAPS = 32;

const nodes: SimulatedNode[] = [];
const gone = new Set<string>();
const leaderless = new Set<string>();
let zones = new Map<string, string>();
/** Their peers have missed those that are gone. */
let areNoticed = false;
let lostAtMs = 0;
let cpuAtLoss = process.cpuUsage();
/** The last ones that were read. */
const frames: { readonly bytes: Buffer; readonly frame: ControlFrame }[] = [];
/** By revision. */
const maps = new Map<number, SharedMap>();
/** Those that have not been told of all new primaries yet. */
const untold = new Set<string>();
/** Maps in which no lost node leads. */
const settled = new WeakSet<SharedMap>();

function read(bytes: Buffer, held: SharedMap | undefined): ReadFrame {
  const frame = decode(bytes);
  if (frame.map !== undefined) return { ...frame, shared: whole(frame.map) };
  if (frame.mapDelta !== undefined) return { ...frame, shared: advanced(held, frame.mapDelta) };
  return frame;
}

function decode(bytes: Buffer): ControlFrame {
  if (bytes.length < SHARED_BYTES) return decodeFrame(bytes);
  const known = frames.find((one) => one.bytes.equals(bytes));
  if (known !== undefined) return known.frame;
  const own = Buffer.from(bytes);
  const frame = decodeFrame(own);
  frames.unshift({ bytes: own, frame });
  frames.length = Math.min(frames.length, KEPT_FRAMES);
  return frame;
}

function whole(wire: NonNullable<ControlFrame["map"]>): SharedMap {
  return maps.get(wire.revision) ?? share(fromWireMap(wire));
}

function advanced(
  held: SharedMap | undefined,
  wire: NonNullable<ControlFrame["mapDelta"]>,
): SharedMap | undefined {
  const { baseRevision, changed } = wire;
  if (held === undefined || changed === undefined || held.map.revision < baseRevision) return undefined;
  const known = maps.get(changed.revision);
  if (known !== undefined) return known;
  const map = applyMapDelta(held.map, fromWireDelta(wire));
  return map && share(map);
}

function share(map: ClusterMap): SharedMap {
  const shardsOf = new Map<string, ShardMap[]>();
  for (const shard of map.shards) {
    for (const { node } of shard.copies) {
      const shards = shardsOf.get(node);
      if (shards === undefined) shardsOf.set(node, [shard]);
      else shards.push(shard);
    }
  }
  const shared = { map, shardsOf };
  maps.set(map.revision, shared);
  newest = newest === undefined || newest.map.revision < map.revision ? shared : newest;
  for (const revision of maps.keys()) {
    if (maps.size <= KEPT_MAPS) break;
    maps.delete(revision);
  }
  if (gone.size > 0 && !map.shards.some(isLedByLost)) settled.add(shared);
  return shared;
}

let newest: SharedMap | undefined;

function isLedByLost({ primary, copies }: ShardMap): boolean {
  return copies.some(({ id, node }) => id === primary && gone.has(node));
}

async function start(planned: readonly PlannedNode[]): Promise<void> {
  zones = new Map(planned.map(({ nodeId, zone }) => [nodeId, zone]));
  for (const plan of planned) {
    const node = new SimulatedNode(plan, {
      read,
      isGone: (nodeId) => areNoticed && gone.has(nodeId),
      onPromoted: (uid) => promoted(uid),
      onMap: (nodeId, shared) => told(nodeId, shared),
    });
    const { port } = await listen({
      onOpen: (send) => node.connected(send),
      onMessage: (message) => node.received(message),
    });
    node.port = port;
    nodes.push(node);
  }
  setInterval(() => {
    for (const node of nodes) node.askAsPrimary();
  }, REPEAT_MS);
  tell({ kind: "started", ports: nodes.map(({ port }) => port) });
}

function lose(zone: string, noticedAfterMs: number): void {
  lostAtMs = performance.now();
  cpuAtLoss = process.cpuUsage();
  for (const node of nodes) {
    if (zones.get(node.nodeId) !== zone) {
      untold.add(node.nodeId);
      continue;
    }
    node.isGone = true;
    gone.add(node.nodeId);
  }
  for (const shard of newest?.map.shards ?? []) if (isLedByLost(shard)) leaderless.add(shard.uid);
  setTimeout(() => (areNoticed = true), noticedAfterMs);
}

function promoted(uid: string): void {
  if (!leaderless.delete(uid) || leaderless.size > 0) return;
  tell({ kind: "promoted", afterMs: performance.now() - lostAtMs });
}

function told(nodeId: string, shared: SharedMap): void {
  if (!settled.has(shared) || !untold.delete(nodeId) || untold.size > 0) return;
  const { user, system } = process.cpuUsage(cpuAtLoss);
  tell({ kind: "told", afterMs: performance.now() - lostAtMs, cpuMs: (user + system) / 1000 });
}

function tell(word: HostWord): void {
  process.send?.(word);
}

process.on("message", (order: HostOrder) => {
  if (order.kind === "start") void start(order.nodes);
  else lose(order.zone, order.noticedAfterMs);
});
// With whoever started it.
process.on("disconnect", () => process.exit(0));
