/**
 * Keeps the objects that a cluster's nodes run by as its specification asks: looks, plans, acts, one pass at a time.
 * What a pass has written is waited for in the cache before the next one plans: a plan from older objects would do
 * things twice.
 */
import type { ClusterSpec } from "@prism/api/cluster";
import type { Reason } from "@prism/api/reason";
import { ApiError } from "@prism/kube-machinery/api-error";
import type { Evidence } from "../domain/action.js";
import type { ClusterOwner, OwnedObject } from "../resources/owned-object.js";
import { firstDifference } from "./own-fields.js";
import { objectName, type LiveObject, type WorkloadAction } from "./workload-action.js";
import { isOursToKeep, nameInUse, planWorkloads, type PlanBlocker, type PodFacts } from "./workload-plan.js";

/** The cluster's objects at the API server. */
export interface WorkloadObjects {
  /** As the watches last told; may be older than what was just written. */
  children(): readonly LiveObject[];
  pods(): readonly PodFacts[];
  /** As it is now. */
  read(object: OwnedObject): Promise<LiveObject | undefined>;
  /** Server-side apply of these fields; takes fields over that others set. */
  apply(object: OwnedObject): Promise<LiveObject>;
  /** Takes these fields (RFC 6901) out, one after the other, of the object as it was seen. */
  drop(live: LiveObject, pointers: readonly string[]): Promise<LiveObject>;
}

export interface WorkloadReconcilerOptions {
  readonly owner: ClusterOwner;
  readonly objects: WorkloadObjects;
  readonly imageRepository: string;
  readonly operatorNamespace: string;
  readonly onAction: (reason: Reason, about: string, evidence: Evidence) => void;
  /** Monotonic. */
  readonly nowMs: () => number;
}

export interface WorkloadWish {
  readonly spec: ClusterSpec;
  readonly paused: boolean;
  readonly knownNodes: ReadonlySet<string>;
  readonly maxUnavailable: 0 | 1;
  readonly allInSync: boolean;
}

export interface WorkloadPass {
  /** False: the cache has not seen yet what the last pass wrote; nothing was planned. */
  readonly planned: boolean;
  readonly acted: number;
  readonly blockers: readonly PlanBlocker[];
}

/** A watch that takes longer to tell of a write is not waited for. */
const CACHE_WAIT_MS = 5000;

const REMOVE_BY_HAND = "Take these fields out by hand: the API server refuses to do so one by one.";

interface PendingWrite {
  readonly resourceVersionBefore: string | undefined;
  readonly untilMs: number;
}

export class WorkloadReconciler {
  readonly #options: WorkloadReconcilerOptions;
  readonly #written = new Map<string, PendingWrite>();
  readonly #seen = new Set<string>();
  readonly #statefulSets = new Map<string, LiveObject>();
  /** Versions that an apply of these very fields did not change: what differs is not ours. */
  readonly #settled = new Map<string, string>();
  #blockers: readonly PlanBlocker[] = [];

  constructor(options: WorkloadReconcilerOptions) {
    this.#options = options;
  }

  /** Throws what the API server answers; the pass is to be made again then. */
  async reconcile(wish: WorkloadWish): Promise<WorkloadPass> {
    const { objects, owner, imageRepository, operatorNamespace } = this.#options;
    const children = objects.children();
    if (this.#awaitsCache(children)) return { planned: false, acted: 0, blockers: this.#blockers };
    this.#remember(children);
    const plan = planWorkloads({
      owner,
      imageRepository,
      operatorNamespace,
      children,
      pods: objects.pods(),
      seen: this.#seen,
      lastStatefulSets: this.#statefulSets,
      ...wish,
    });
    const blockers = [...plan.blockers];
    let acted = 0;
    for (const action of plan.actions) {
      const outcome = await this.#perform(action, children);
      if (outcome === "done") acted += 1;
      else if (outcome !== "settled") blockers.push(outcome);
    }
    this.#blockers = blockers;
    return { planned: true, acted, blockers };
  }

  #awaitsCache(children: readonly LiveObject[]): boolean {
    const nowMs = this.#options.nowMs();
    for (const [name, { resourceVersionBefore, untilMs }] of this.#written) {
      const cached = children.find((child) => objectName(child) === name)?.metadata.resourceVersion;
      if (cached !== resourceVersionBefore || nowMs >= untilMs) this.#written.delete(name);
    }
    return this.#written.size > 0;
  }

  #remember(children: readonly LiveObject[]): void {
    for (const child of children) {
      this.#seen.add(objectName(child));
      if (child.kind === "StatefulSet") this.#statefulSets.set(child.metadata.name, child);
    }
  }

  async #perform(
    action: WorkloadAction,
    children: readonly LiveObject[],
  ): Promise<"done" | "settled" | PlanBlocker> {
    const { objects, owner, onAction } = this.#options;
    const { object, precondition, reason, evidence } = action;
    const name = objectName(object);
    if (precondition === "absent") {
      // The cache knows the operator's objects alone; a stranger's of the name must not be taken over.
      const present = await objects.read(object);
      if (present && !isOursToKeep(present, owner)) return nameInUse(present);
      if (present && firstDifference(object.metadata.labels, present.metadata.labels) === undefined) {
        // The cache will have it: to decide now would be to decide without having looked.
        this.#awaitChange(name, undefined);
        return "settled";
      }
    }
    const before = children.find((child) => objectName(child) === name)?.metadata.resourceVersion;
    if (action.drop) {
      try {
        await objects.drop(action.drop.live, action.drop.pointers);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 422) throw error;
        const fields = String(evidence["field"]);
        return { rule: reason, evidence: `${name}: ${fields}: ${error.message}`, unblock: REMOVE_BY_HAND };
      }
      this.#awaitChange(name, before);
      onAction(reason, name, evidence);
      return "done";
    }
    // Something was taken out of it just now: what else it needs is decided from what is left.
    if (this.#written.has(name)) return "settled";
    const settledAs = `${before} ${JSON.stringify(object)}`;
    if (before !== undefined && this.#settled.get(name) === settledAs) return "settled";
    const applied = await objects.apply(
      precondition === "absent"
        ? object
        : { ...object, metadata: { ...object.metadata, uid: precondition.uid } },
    );
    if (applied.metadata.resourceVersion === before) {
      this.#settled.set(name, settledAs);
      return "settled";
    }
    this.#settled.delete(name);
    this.#awaitChange(name, before);
    onAction(reason, name, evidence);
    return "done";
  }

  #awaitChange(name: string, resourceVersionBefore: string | undefined): void {
    this.#written.set(name, { resourceVersionBefore, untilMs: this.#options.nowMs() + CACHE_WAIT_MS });
  }
}
