/**
 * Makes a map when something in it changed, once for changes that come together, and has it delivered.
 * The first change after quiet times goes at once; in a storm of changes the pause between two maps grows
 * with what one costs, so that neither this process nor the nodes drown in maps of a large cluster.
 */
import type { MapApplied } from "@prism/proto/gen/node";
import { MapLedger } from "../domain/map-ledger.js";
import type { MapSource } from "../domain/map-of-cluster.js";
import { shardUidOf } from "../reconcile/shard-object.js";
import type { ClusterState } from "./cluster-state.js";
import type { DeletedCollections } from "./deleted-collections.js";
import { MapDeliveries } from "./map-deliveries.js";
import type { NodeFleet } from "./node-fleet.js";

export interface MapPublisherOptions {
  readonly clusterId: string;
  readonly clusterName: string;
  readonly leaderEpoch: number;
  readonly state: ClusterState;
  readonly fleet: NodeFleet;
  readonly deleted: DeletedCollections;
}

/** Maps of a later leader are newer than all of an earlier one. */
const REVISIONS_PER_EPOCH = 1_000_000_000;
/** Shortest pause after a map. */
const SPACING_MS = 5;
/** Pause after a map that took long, as a multiple of the time that making and sending it took. */
const REST_FACTOR = 4;
/** All nodes together are sent so much of maps at most: what a connection can't take yet lies in memory here. */
const BYTES_PER_SECOND = 256 * 1024 * 1024;

export class MapPublisher {
  readonly #options: MapPublisherOptions;
  readonly #ledger = new MapLedger();
  readonly #deliveries: MapDeliveries;
  #count = 0;
  /** The ledger has what is shown now. */
  #isCurrent = false;
  /** Takes back the sending that is due. */
  #cancel: (() => void) | undefined;
  /** The next map is not sent before. */
  #restUntilMs = 0;
  #waiting: (() => void)[] = [];
  /** By the collection's uid and generation: the first map that has it so. */
  #firstRevisions = new Map<string, number>();

  constructor(options: MapPublisherOptions) {
    this.#options = options;
    const { fleet } = options;
    this.#deliveries = new MapDeliveries({ fleet, ledger: this.#ledger, revision: () => this.revision });
  }

  get revision(): number {
    return this.#options.leaderEpoch * REVISIONS_PER_EPOCH + this.#count;
  }

  /** Something that the map shows has changed. */
  changed(): void {
    this.#isCurrent = false;
    if (this.#cancel) return;
    const pauseMs = this.#restUntilMs - performance.now();
    if (pauseMs > 0) {
      const timer = setTimeout(() => this.#send(), pauseMs);
      this.#cancel = () => clearTimeout(timer);
    } else {
      const immediate = setImmediate(() => this.#send());
      this.#cancel = () => clearImmediate(immediate);
    }
  }

  /** Resolves when the node has been sent a map of now or later. */
  async whenSent(name: string): Promise<void> {
    if (this.#cancel) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    await this.#deliveries.whenSent(name, this.revision);
  }

  /** How many nodes have said that they go by a map that has the collection as it is now. */
  confirmations({ uid, generation }: { readonly uid: string; readonly generation: number }): number {
    const first = this.#firstRevisions.get(`${uid}/${generation}`);
    if (first === undefined) return 0;
    return [...this.#options.fleet.all()].filter((node) => node.appliedRevision >= first).length;
  }

  /** The node is connected anew. */
  opened(name: string): void {
    this.#deliveries.opened(name);
  }

  confirmed(name: string, confirmation: MapApplied): void {
    this.#deliveries.confirmed(name, confirmation);
  }

  /** Sends what the node lacks; when a map is due anyway, then. */
  sendTo(name: string): void {
    if (this.#cancel) return;
    this.#make();
    this.#deliveries.deliver(name);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#deliveries.stop();
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #send(): void {
    this.#cancel = undefined;
    const begunMs = performance.now();
    const sentBefore = this.#deliveries.sentBytes;
    this.#make();
    this.#deliveries.deliverAll();
    const sentBytes = this.#deliveries.sentBytes - sentBefore;
    const endedMs = performance.now();
    this.#restUntilMs = Math.max(
      begunMs + SPACING_MS,
      endedMs + REST_FACTOR * (endedMs - begunMs),
      endedMs + (1000 * sentBytes) / BYTES_PER_SECOND,
    );
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #make(): void {
    if (this.#isCurrent) return;
    this.#isCurrent = true;
    this.#count += 1;
    this.#ledger.take(this.#source());
    this.#noteCollections();
  }

  #noteCollections(): void {
    const before = this.#firstRevisions;
    const { collections } = this.#options.state;
    this.#firstRevisions = new Map(
      [...collections.values()].map(({ metadata: { uid, generation } }) => {
        const key = `${uid}/${generation}`;
        return [key, before.get(key) ?? this.revision];
      }),
    );
  }

  #source(): MapSource {
    const { clusterId, clusterName, leaderEpoch, state, fleet, deleted } = this.#options;
    return {
      clusterId,
      clusterName,
      leaderEpoch,
      revision: this.revision,
      settings: state.settings,
      deletedCollections: deleted.uids,
      nodes: [...state.nodes.values()].map(({ metadata, spec, status }) => {
        const health = fleet.health(metadata.name);
        const { state: healthState = "starting", exited = false } = health ?? {};
        return { name: metadata.name, spec, status, state: healthState, exited };
      }),
      collections: [...state.collections.values()].map(({ metadata, spec }) => ({
        uid: metadata.uid,
        generation: metadata.generation,
        spec,
      })),
      shards: [...state.shards.values()].map((shard) => ({
        uid: shardUidOf(shard),
        spec: shard.spec,
        status: shard.status,
      })),
    };
  }
}
