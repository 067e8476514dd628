/**
 * A cluster's nodes as pods: keeps the objects that they run by, tells where they listen and how they ended, says
 * why one does not run, and holds evictions back while copies are away.
 */
import { isDeepStrictEqual } from "node:util";
import type { ClusterSpec } from "@prism/api/cluster";
import type { StatusResponse } from "@prism/api/status";
import type { ApiClient } from "@prism/kube-machinery/api-client";
import type { Resource } from "@prism/kube-machinery/resource";
import type { Logger } from "pino";
import { steadyNowMs } from "../../control/steady-clock.js";
import { evictionVerdict, isFullyInSync, type EvictionVerdict } from "../../domain/eviction-verdict.js";
import type { Blocker } from "../../domain/blocker.js";
import type {
  ClusterRef,
  ClusterWorkloads,
  ClusterWorkloadsHandlers,
} from "../../ports/cluster-workloads.js";
import type { NodeWorkload, WorkloadEvent, WorkloadStatus } from "../../ports/workloads.js";
import { WorkQueue } from "@prism/kube-machinery/work-queue";
import type { LiveObject } from "../../reconcile/workload-action.js";
import type { PlanBlocker, PodFacts } from "../../reconcile/workload-plan.js";
import { WorkloadReconciler, type WorkloadObjects } from "../../reconcile/workload-reconciler.js";
import { FIELD_MANAGER, TEMPLATE_HASH, type OwnedObject } from "../../resources/owned-object.js";
import { SETTINGS_KEY } from "../../resources/pod-template.js";
import type { ChildWatches } from "./child-watches.js";
import { isReady, type LivePod } from "./live-pod.js";
import { podBlocker } from "./pod-blockers.js";
import { PodProcesses } from "./pod-processes.js";
import { childResource } from "./child-resources.js";

export interface KubernetesWorkloadsOptions {
  readonly cluster: ClusterRef;
  readonly api: ApiClient;
  readonly watches: ChildWatches;
  /** Of nodes, where the cluster names none. */
  readonly imageRepository: string;
  readonly operatorNamespace: string;
  readonly handlers: ClusterWorkloadsHandlers;
  readonly log: Logger;
}

const PASS = "workloads";
/** Some waits are noticed by their length alone. */
const LOOK_AGAIN_MS = 5000;
const CACHE_LOOK_MS = 250;

export class KubernetesWorkloads implements ClusterWorkloads {
  readonly #options: KubernetesWorkloadsOptions;
  readonly #reconciler: WorkloadReconciler;
  readonly #processes = new PodProcesses();
  readonly #queue: WorkQueue;
  readonly #known = new Set<string>();
  readonly #stopListening: () => void;
  #wish: { readonly spec: ClusterSpec; readonly paused: boolean } | undefined;
  #applied: (() => void)[] = [];
  #status: StatusResponse | undefined;
  #disturbedAtMs = steadyNowMs();
  #planBlockers: readonly (PlanBlocker & { readonly since: number })[] = [];
  #blockers: readonly Blocker[] = [];

  constructor(options: KubernetesWorkloadsOptions) {
    this.#options = options;
    const { cluster, watches, handlers, imageRepository, operatorNamespace, log } = options;
    const { namespace, name, uid } = cluster;
    this.#reconciler = new WorkloadReconciler({
      owner: { namespace, name, uid },
      objects: this.#objects(),
      imageRepository,
      operatorNamespace,
      onAction: handlers.onEvent,
      nowMs: steadyNowMs,
    });
    this.#queue = new WorkQueue({
      work: () => this.#pass(),
      onError: (_, err) => log.error({ cluster: name, namespace, err }, "objects are not as they should be"),
    });
    this.#stopListening = watches.listen(cluster, {
      onPod: (pod, gone) => this.#onPod(pod, gone),
      onChild: () => this.#queue.add(PASS),
    });
    this.#queue.start();
  }

  apply(spec: ClusterSpec, paused: boolean): Promise<void> {
    this.#wish = { spec, paused };
    const applied = new Promise<void>((resolve) => this.#applied.push(resolve));
    this.#queue.add(PASS);
    return applied;
  }

  statusChanged(status: StatusResponse): void {
    const before = this.#verdict().maxUnavailable;
    const wereInSync = isFullyInSync(this.#status);
    this.#status = status;
    const changed = this.#verdict().maxUnavailable !== before || isFullyInSync(status) !== wereInSync;
    if (changed) this.#queue.add(PASS);
  }

  blockers(): readonly Blocker[] {
    return this.#blockers;
  }

  /** The pod is the StatefulSet's to make; from now on it is one that is counted on. */
  ensure({ name }: NodeWorkload): Promise<void> {
    this.#known.add(name);
    this.#processes.tellAgain(name);
    return Promise.resolve();
  }

  remove(name: string): Promise<void> {
    this.#known.delete(name);
    return Promise.resolve();
  }

  list(): readonly WorkloadStatus[] {
    const pods = new Map(this.#pods().map((pod) => [pod.metadata.name, pod]));
    return [...this.#known].map((name) => this.#processes.status(name, pods.get(name), Date.now()));
  }

  watch(listener: (event: WorkloadEvent) => void): () => void {
    const stop = this.#processes.watch(listener);
    for (const pod of this.#pods()) this.#processes.take(pod, false);
    return stop;
  }

  /** Pods go on without us: only what is told of them ends. */
  async close(): Promise<void> {
    this.#stopListening();
    await this.#queue.stop();
    for (const resolve of this.#applied.splice(0)) resolve();
  }

  #pods(): readonly LivePod[] {
    return this.#options.watches.podsOf(this.#options.cluster);
  }

  #onPod(pod: LivePod, gone: boolean): void {
    this.#processes.take(pod, gone);
    if (gone || !isReady(pod)) this.#disturbedAtMs = steadyNowMs();
    this.#queue.add(PASS);
  }

  #verdict(): EvictionVerdict {
    const spec = this.#wish?.spec;
    if (!spec) return { maxUnavailable: 0, why: "the specification is not known yet" };
    return evictionVerdict({
      status: this.#status,
      settings: spec,
      readyPods: this.#pods().filter(isReady).length,
      undisturbedSinceMs: this.#disturbedAtMs,
    });
  }

  async #pass(): Promise<{ readonly againInMs: number | undefined }> {
    const wish = this.#wish;
    if (!wish) return { againInMs: undefined };
    const waiting = this.#applied.splice(0);
    try {
      const { maxUnavailable, why } = this.#verdict();
      const allInSync = isFullyInSync(this.#status);
      const pass = await this.#reconciler.reconcile({
        ...wish,
        knownNodes: this.#known,
        maxUnavailable,
        allInSync,
      });
      if (!pass.planned) {
        this.#applied.push(...waiting);
        return { againInMs: CACHE_LOOK_MS };
      }
      if (pass.acted > 0) {
        const { namespace, name } = this.#options.cluster;
        this.#options.log.info(
          { cluster: name, namespace, acted: pass.acted, maxUnavailable, why },
          "objects applied",
        );
      }
      this.#takeBlockers(pass.blockers);
      for (const resolve of waiting) resolve();
      return { againInMs: LOOK_AGAIN_MS };
    } catch (error) {
      this.#applied.push(...waiting);
      throw error;
    }
  }

  #takeBlockers(planned: readonly PlanBlocker[]): void {
    const now = steadyNowMs();
    this.#planBlockers = planned.map((one) => {
      const before = this.#planBlockers.find(
        ({ rule, evidence }) => rule === one.rule && evidence === one.evidence,
      );
      return { ...one, since: before?.since ?? now };
    });
    const silent = this.#options.watches.silentMachines();
    const ofPods = this.#pods().flatMap((pod) => podBlocker(pod, silent, Date.now()) ?? []);
    const blockers = [...this.#planBlockers, ...ofPods];
    if (isDeepStrictEqual(blockers, this.#blockers)) return;
    this.#blockers = blockers;
    this.#options.handlers.onBlockers();
  }

  #objects(): WorkloadObjects {
    const { api, cluster, watches } = this.#options;
    const resourceOf = (object: OwnedObject): Resource => childResource(object.kind);
    return {
      children: () => watches.childrenOf(cluster),
      pods: () => this.#pods().map(toFacts),
      read: (object) => api.get<LiveObject>(resourceOf(object), object.metadata),
      apply: async (object) => {
        const resource = resourceOf(object);
        const applied = await api.apply(resource, object, { fieldManager: FIELD_MANAGER, force: true });
        return watches.heard(applied);
      },
      drop: async ({ kind, metadata }, pointers) => {
        const operations = [
          { op: "replace", path: "/metadata/resourceVersion", value: metadata.resourceVersion } as const,
          ...pointers.map((path) => ({ op: "remove", path }) as const),
        ];
        const patch = { type: "json", operations } as const;
        const options = { fieldManager: FIELD_MANAGER };
        return watches.heard(await api.patch<LiveObject>(childResource(kind), metadata, patch, options));
      },
    };
  }
}

function toFacts(pod: LivePod): PodFacts {
  const { name, annotations } = pod.metadata;
  return {
    name,
    ready: isReady(pod),
    templateHash: annotations?.[TEMPLATE_HASH] ?? "",
    settingsKey: annotations?.[SETTINGS_KEY] ?? "",
  };
}
