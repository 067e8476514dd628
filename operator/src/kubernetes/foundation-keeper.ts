/**
 * Keeps what a cluster can't be led without and no plan of workloads has: its identity, the versions of its records,
 * its certificates. Whatever somebody does to them while this process leads, they are made again as they were.
 */
import { clusterObjectNames } from "@prism/api/object-names";
import { WorkQueue } from "@prism/kube-machinery/work-queue";
import type { ChildWatches } from "../adapters/kubernetes/child-watches.js";
import type { KubeStore } from "../adapters/kubernetes/kube-store.js";
import type { ClusterRef } from "../ports/cluster-workloads.js";

export interface FoundationKeeperOptions {
  readonly cluster: ClusterRef;
  readonly children: ChildWatches;
  readonly store: KubeStore;
  /** Names of the Secrets that were made, each with the reason. */
  readonly certificates: () => Promise<readonly { readonly name: string; readonly reason: string }[]>;
  /** Whether the PrismCluster is still this one: what was deleted together with it stays deleted. */
  readonly isLed: () => Promise<boolean>;
  /** `ConfigMap/demo-identity`. */
  readonly onRestored: (object: string, why: string) => void;
  readonly onError: (error: unknown) => void;
}

const KEY = "look";
/** Secrets are in no watch. */
const LOOK_AGAIN_MS = 15_000;

export class FoundationKeeper {
  readonly #options: FoundationKeeperOptions;
  readonly #queue: WorkQueue;
  readonly #configMaps: readonly string[];
  #stopListening: () => void = () => undefined;

  constructor(options: FoundationKeeperOptions) {
    this.#options = options;
    const { identity, records } = clusterObjectNames(options.cluster.name);
    this.#configMaps = [identity, records];
    this.#queue = new WorkQueue({
      work: async () => {
        await this.look();
        return { againInMs: LOOK_AGAIN_MS };
      },
      onError: (_key, error) => options.onError(error),
    });
  }

  start(): void {
    const { children, cluster } = this.#options;
    this.#stopListening = children.listen(cluster, {
      onPod: () => undefined,
      onChild: () => {
        if (!this.#areThere()) this.#queue.add(KEY);
      },
    });
    this.#queue.addAfter(KEY, LOOK_AGAIN_MS);
    this.#queue.start();
  }

  /** For who is about to go by it. */
  async lookAtIdentity(): Promise<void> {
    const { store, onRestored, cluster } = this.#options;
    const fault = await store.restoreIdentity();
    if (fault !== undefined) onRestored(`ConfigMap/${clusterObjectNames(cluster.name).identity}`, fault);
  }

  async look(): Promise<void> {
    const { store, certificates, isLed, onRestored, cluster } = this.#options;
    const { records } = clusterObjectNames(cluster.name);
    if (!(await isLed())) return;
    await this.lookAtIdentity();
    if (await store.restoreLedger()) onRestored(`ConfigMap/${records}`, "missing");
    for (const { name, reason } of await certificates()) onRestored(`Secret/${name}`, reason);
  }

  async stop(): Promise<void> {
    this.#stopListening();
    await this.#queue.stop();
  }

  #areThere(): boolean {
    const { children, cluster } = this.#options;
    const present = children.childrenOf(cluster).filter(({ kind }) => kind === "ConfigMap");
    return this.#configMaps.every((name) => present.some(({ metadata }) => metadata.name === name));
  }
}
