/** The process that stands for all nodes of the measured cluster, so that the operator's own is measured alone. */
import { ControlFrame, type MapShard } from "@prism/proto/gen/node";
import { listen } from "./grpc-listener.js";
import type { PlannedNode } from "./scale-plan.js";
import { SimulatedNode, type SharedMap } from "./simulated-node.js";

export type HostOrder =
  | { readonly kind: "start"; readonly nodes: readonly PlannedNode[] }
  /** These are gone from now on: nothing tells of it but their silence. */
  | { readonly kind: "lose"; readonly zone: string; readonly noticedAfterMs: number };

export type HostWord =
  | { readonly kind: "started"; readonly ports: readonly number[] }
  /** All shards that a lost node led are led by another, which knows it. */
  | { readonly kind: "promoted"; readonly afterMs: number; readonly shards: number };

const REPEAT_MS = 250;
/** Of a map's bytes; anything shorter is decoded by each node by itself. */
const SHARED_BYTES = 4096;

const nodes: SimulatedNode[] = [];
const gone = new Set<string>();
const leaderless = new Set<string>();
let zones = new Map<string, string>();
let lostAtMs = 0;
let last: { readonly bytes: Buffer; readonly frame: ControlFrame; readonly shared: SharedMap } | undefined;

function read(bytes: Buffer): ControlFrame & { readonly shared?: SharedMap | undefined } {
  if (bytes.length < SHARED_BYTES) {
    const frame = ControlFrame.decode(bytes);
    return { ...frame, shared: frame.map && share(frame.map) };
  }
  if (last?.bytes.equals(bytes) === true) return { ...last.frame, shared: last.shared };
  const frame = ControlFrame.decode(bytes);
  if (frame.map === undefined) return frame;
  const shared = share(frame.map);
  last = { bytes: Buffer.from(bytes), frame, shared };
  return { ...frame, shared };
}

function share(map: SharedMap["map"]): SharedMap {
  const shardsOf = new Map<string, MapShard[]>();
  for (const shard of map.shards) {
    for (const { nodeId } of shard.copies) {
      const shards = shardsOf.get(nodeId);
      if (shards === undefined) shardsOf.set(nodeId, [shard]);
      else shards.push(shard);
    }
  }
  return { map, shardsOf };
}

async function start(planned: readonly PlannedNode[]): Promise<void> {
  zones = new Map(planned.map(({ nodeId, zone }) => [nodeId, zone]));
  for (const plan of planned) {
    const node = new SimulatedNode(plan, {
      read,
      isGone: (nodeId) => gone.has(nodeId),
      onPromoted: (uid) => promoted(uid),
    });
    const { port } = await listen({
      onOpen: (send) => node.connected(send),
      onMessage: (message) => node.received(message),
    });
    node.port = port;
    nodes.push(node);
  }
  tell({ kind: "started", ports: nodes.map(({ port }) => port) });
}

function lose(zone: string, noticedAfterMs: number): void {
  lostAtMs = performance.now();
  for (const node of nodes) {
    if (zones.get(node.nodeId) !== zone) continue;
    node.isGone = true;
    gone.add(node.nodeId);
  }
  for (const { uid, primary, copies } of last?.shared.map.shards ?? []) {
    const place = copies.find(({ allocationId }) => allocationId === primary);
    if (place !== undefined && gone.has(place.nodeId)) leaderless.add(uid);
  }
  lost = leaderless.size;
  setTimeout(() => {
    setInterval(() => {
      for (const node of nodes) node.askForRemovals();
    }, REPEAT_MS);
  }, noticedAfterMs);
}

let lost = 0;

function promoted(uid: string): void {
  if (!leaderless.delete(uid) || leaderless.size > 0) return;
  tell({ kind: "promoted", afterMs: performance.now() - lostAtMs, shards: lost });
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
