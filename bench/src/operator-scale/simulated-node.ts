/** A node that holds nothing: it follows maps, reports, and asks for what a primary asks for (protocol 6.2, 7.3). */
import type { ClusterMap, ShardMap } from "@prism/dataplane/domain/cluster-map";
import { RequestPace } from "@prism/dataplane/domain/request-pace";
import { ControlFrame, type CopyReport } from "@prism/proto/gen/node";
import type { PlannedNode } from "./scale-plan.js";

/** Read once for all nodes that have it. */
export interface SharedMap {
  readonly map: ClusterMap;
  readonly shardsOf: ReadonlyMap<string, readonly ShardMap[]>;
}

/** What a frame is to a node with that map. */
export interface ReadFrame extends ControlFrame {
  /** The map it has with it; undefined when that needs a base that the node does not have. */
  readonly shared?: SharedMap | undefined;
}

interface HeldCopy {
  readonly id: string;
  term: number;
  mapVersion: number;
  leads: boolean;
}

export interface NodeSurroundings {
  readonly read: (frame: Buffer, held: SharedMap | undefined) => ReadFrame;
  /** The node with this id is gone, as its peers see it. */
  readonly isGone: (nodeId: string) => boolean;
  readonly onPromoted: (shardUid: string) => void;
  /** The node goes by this map now. */
  readonly onMap: (nodeId: string, shared: SharedMap) => void;
}

const RUN = Math.random().toString(36).slice(2);

export class SimulatedNode {
  readonly #plan: PlannedNode;
  readonly #surroundings: NodeSurroundings;
  readonly #copies = new Map<string, HeldCopy>();
  readonly #pace = new RequestPace();
  #shared: SharedMap | undefined;
  #send: (message: Uint8Array) => void = () => undefined;
  port = 0;
  /** Takes nothing in and answers nothing, as a machine that is gone. */
  isGone = false;

  constructor(plan: PlannedNode, surroundings: NodeSurroundings) {
    this.#plan = plan;
    this.#surroundings = surroundings;
  }

  get nodeId(): string {
    return this.#plan.nodeId;
  }

  connected(send: (message: Uint8Array) => void): void {
    this.#send = send;
  }

  received(bytes: Buffer): void {
    if (this.isGone) return;
    const frame = this.#surroundings.read(bytes, this.#shared);
    if (frame.hello) this.#tell({ nodeHello: this.#hello(frame.hello.clusterId) });
    if (frame.heartbeat) this.#report();
    if (frame.shared) this.#apply(frame.shared);
    if (frame.map ?? frame.mapDelta) {
      const needsWhole = frame.shared === undefined;
      this.#tell({ mapApplied: { revision: this.#shared?.map.revision ?? 0, needsWhole } });
    }
  }

  /**
   * As primary, that members which are gone leave, and that copies which recover join: they have nothing to catch up
   * with. Asked again until a map confirms it.
   */
  askAsPrimary(): void {
    if (this.isGone) return;
    for (const shard of this.#shared?.shardsOf.get(this.nodeId) ?? []) {
      if (this.#copies.get(shard.uid)?.leads !== true) continue;
      for (const { id, node } of shard.copies) {
        const isGone = this.#surroundings.isGone(node);
        if (isGone && shard.inSync.includes(id)) this.#ask(shard, "removeCopy", id, "ReplicaTimeout");
        if (!isGone && shard.recovering.includes(id)) this.#ask(shard, "addInSync", id, "CaughtUp");
      }
    }
  }

  #ask({ uid: shardUid, term }: ShardMap, action: string, allocationId: string, reason: string): void {
    const copyRequest = { shardUid, action, allocationId, term, reason };
    if (this.#pace.admits(copyRequest, performance.now())) this.#tell({ copyRequest });
  }

  #apply(shared: SharedMap): void {
    this.#shared = shared;
    let changed = false;
    const shards = shared.shardsOf.get(this.nodeId) ?? [];
    for (const shard of shards) changed = this.#follow(shard) || changed;
    if (this.#copies.size > shards.length) {
      const named = new Set<string>(shards.map(({ uid }) => uid));
      for (const uid of this.#copies.keys()) if (!named.has(uid)) this.#copies.delete(uid);
      changed = true;
    }
    this.#surroundings.onMap(this.nodeId, shared);
    if (changed) this.#report();
  }

  #follow(shard: ShardMap): boolean {
    const place = shard.copies.find(({ node }) => node === this.nodeId)!;
    const held = this.#copies.get(shard.uid);
    if (held !== undefined && shard.version <= held.mapVersion) return false;
    const leads = shard.primary === place.id;
    if (leads && held?.leads === false) this.#surroundings.onPromoted(shard.uid);
    const { term, version: mapVersion } = shard;
    this.#copies.set(shard.uid, { id: place.id, term, mapVersion, leads });
    return true;
  }

  #hello(clusterId: string): ControlFrame["nodeHello"] {
    const { name, nodeId } = this.#plan;
    const address = `127.0.0.1:${this.port}`;
    return {
      clusterId,
      nodeId,
      bootId: `${RUN}-${name}`,
      name,
      version: "0.1.0",
      format: 1,
      peerAddress: address,
      httpUrl: `http://${address}`,
      adminUrl: "",
      workers: 1,
      takesDeltas: true,
    };
  }

  #report(): void {
    this.#tell({
      report: {
        sentAtMs: Date.now(),
        workerSilenceMs: [0],
        copies: [...this.#copies].map(([uid, copy]) => reportOf(uid, copy)),
        ready: this.#shared !== undefined,
        draining: false,
        mapRevision: this.#shared?.map.revision ?? 0,
        diskFreeBytes: 1e11,
        diskFull: false,
        memoryUsedBytes: 1e9,
      },
    });
  }

  #tell(frame: Partial<ControlFrame>): void {
    this.#send(ControlFrame.encode({ id: 0, ...frame }));
  }
}

function reportOf(shardUid: string, { id, term, mapVersion, leads }: HeldCopy): CopyReport {
  return {
    shardUid,
    allocationId: id,
    historyId: "",
    term,
    mapVersion,
    role: leads ? "primary" : "replica",
    lastSeq: 1000,
    globalCheckpoint: 1000,
    appliedSeq: 1000,
    worker: 0,
    documents: 1000,
    indexBytes: 1e6,
    reason: "",
    lag: [],
  };
}
