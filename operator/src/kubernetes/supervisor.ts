/**
 * The clusters that this process leads: one runner for each PrismCluster of the watched namespaces. Each is
 * worked on by itself, so that one that can't go on keeps no other from it.
 */
import { REASONS } from "@prism/api/reason";
import type { ObjectCondition } from "@prism/api/condition";
import { ApiError } from "@prism/kube-machinery/api-error";
import { keyOf, nameOfKey, type Stored } from "@prism/kube-machinery/kube-object";
import { clusterOf, PRISM_COLLECTIONS, type RawObject } from "../adapters/kubernetes/prism-resources.js";
import type { ControlPlane } from "../control/control-plane.js";
import { WorkQueue } from "@prism/kube-machinery/work-queue";
import { FIELD_MANAGER } from "../resources/owned-object.js";
import { ClusterRunner, type ClusterRunnerOptions } from "./cluster-runner.js";

const CLUSTER = "cluster/";
const COLLECTION = "collection/";
/** A collection that comes before its cluster, in one file say, is not told off at once. */
const ORPHAN_DELAY_MS = 1000;

export class Supervisor {
  readonly #options: ClusterRunnerOptions;
  readonly #runners = new Map<string, ClusterRunner>();
  readonly #queue: WorkQueue;
  readonly #stops: (() => void)[] = [];

  constructor(options: ClusterRunnerOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({
      work: (key) => this.#work(key),
      onError: (key, err) =>
        options.log.error({ key, err }, "cluster not as it should be, will be tried again"),
    });
  }

  /** The watches must have been read once: a cluster that is not seen yet would pass for a deleted one. */
  start(): void {
    const { records } = this.#options;
    this.#stops.push(
      records.followClusters((key) => this.#queue.add(CLUSTER + key)),
      records.followCollections((object) => {
        if (this.#clusterOf(object) === undefined) {
          this.#queue.addAfter(COLLECTION + keyOf(object.metadata), ORPHAN_DELAY_MS);
        }
      }),
    );
    this.#queue.start();
  }

  /** By `namespace/name`. */
  planes(): ReadonlyMap<string, ControlPlane> {
    const planes = new Map<string, ControlPlane>();
    for (const [key, { plane }] of this.#runners) if (plane) planes.set(key, plane);
    return planes;
  }

  /** Nothing is led any more; nodes, volumes and records are left as they are. */
  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop();
    const runners = [...this.#runners.values()];
    this.#runners.clear();
    // Streams to nodes end first: whoever leads next is to be heard at once.
    await Promise.all([this.#queue.stop(), ...runners.map((runner) => runner.stop())]);
  }

  #work(key: string): Promise<{ readonly againInMs: number | undefined }> {
    return key.startsWith(CLUSTER)
      ? this.#reconcile(key.slice(CLUSTER.length))
      : this.#sayOrphaned(key.slice(COLLECTION.length));
  }

  async #reconcile(key: string): Promise<{ readonly againInMs: undefined }> {
    const { records, log } = this.#options;
    const object = records.cluster(key);
    const isThere = object !== undefined && object.metadata.deletionTimestamp === undefined;
    let runner = this.#runners.get(key);
    if (runner && (!isThere || runner.uid !== object.metadata.uid)) {
      this.#runners.delete(key);
      await runner.stop();
      log.info({ key }, "cluster deleted: it is not led any more, its data stays");
      runner = undefined;
    }
    if (!isThere) return { againInMs: undefined };
    if (!runner) {
      runner = new ClusterRunner(this.#options, object);
      this.#runners.set(key, runner);
      const { namespace, name } = nameOfKey(key);
      for (const collection of records.cachesOf(namespace ?? "").PrismCollection.values()) {
        if (clusterOf(collection) === name) this.#queue.add(COLLECTION + keyOf(collection.metadata));
      }
    }
    await runner.reconcile(object);
    return { againInMs: undefined };
  }

  #clusterOf(collection: Stored<RawObject>): Stored<RawObject> | undefined {
    const { namespace = "" } = collection.metadata;
    const name = clusterOf(collection);
    return name === undefined ? undefined : this.#options.records.cluster(keyOf({ namespace, name }));
  }

  /** A collection of a cluster that is not there; its cluster's runner looks after all others. */
  async #sayOrphaned(key: string): Promise<{ readonly againInMs: number | undefined }> {
    const { client, records } = this.#options;
    const { namespace = "" } = nameOfKey(key);
    const cache = records.cachesOf(namespace).PrismCollection;
    const object = cache.get(key);
    if (!object || this.#clusterOf(object)) return { againInMs: undefined };
    const before = (object.status?.["conditions"] ?? []) as readonly ObjectCondition[];
    const generation = object.metadata.generation ?? 1;
    if (before.some((one) => one.reason === "ClusterNotFound" && one.observedGeneration === generation)) {
      return { againInMs: undefined };
    }
    const condition = {
      status: "False",
      reason: "ClusterNotFound",
      message: `${REASONS.ClusterNotFound} It names ${clusterOf(object) ?? "none"}.`,
      observedGeneration: generation,
      lastTransitionTime: new Date().toISOString(),
    } as const;
    const conditions = [
      { type: "Accepted", ...condition },
      { type: "Ready", ...condition },
    ];
    const next: Stored<RawObject> = {
      ...object,
      status: { ...object.status, observedGeneration: generation, conditions },
    };
    try {
      cache.heard(await client.replaceStatus(PRISM_COLLECTIONS, next, { fieldManager: FIELD_MANAGER }));
    } catch (error) {
      if (!(error instanceof ApiError) || !(error.isConflict || error.isNotFound)) throw error;
      return { againInMs: ORPHAN_DELAY_MS };
    }
    return { againInMs: undefined };
  }
}
