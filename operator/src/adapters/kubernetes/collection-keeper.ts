/**
 * Looks after the PrismCollections of one cluster, whoever wrote them: says of each whether it counts
 * (domain/collection-admission.ts) and whether it is ready, in its status. What is accepted goes into the status
 * first; only then does the control plane see it.
 */
import { isDeepStrictEqual } from "node:util";
import { settleCollectionObject, parseCollectionObject, type CollectionSpec } from "@prism/api/collection";
import type { ObjectCondition } from "@prism/api/condition";
import { REASONS, type Reason } from "@prism/api/reason";
import type { ApiClient } from "@prism/kube-machinery/api-client";
import { ApiError } from "@prism/kube-machinery/api-error";
import type { Stored } from "@prism/kube-machinery/kube-object";
import type { ObjectCache } from "@prism/kube-machinery/object-cache";
import type { CollectionOutlook } from "../../control/collection-outlook.js";
import {
  judgeCollections,
  type CollectionClaim,
  type CollectionVerdict,
} from "../../domain/collection-admission.js";
import { toCollectionSpec } from "../../domain/map-of-cluster.js";
import { WorkQueue } from "@prism/kube-machinery/work-queue";
import { FIELD_MANAGER } from "../../resources/owned-object.js";
import { acceptedOf, collectionNameOf, withAccepted, type Accepted } from "./kube-objects.js";
import { clusterOf, PRISM_COLLECTIONS, type RawObject } from "./prism-resources.js";

export interface CollectionKeeperOptions {
  readonly client: ApiClient;
  readonly cache: ObjectCache<RawObject>;
  readonly namespace: string;
  readonly cluster: string;
  /** What collections take from their cluster now. */
  readonly defaults: () => Parameters<typeof judgeCollections>[1];
  /** Undefined while nobody leads. */
  readonly outlook: (name: string) => CollectionOutlook | undefined;
  readonly onEvent: (object: Stored<RawObject>, reason: Reason, message: string) => void;
  readonly onError: (error: unknown) => void;
}

const KEY = "judge";
const RETRY_MS = 50;
/** Messages of `Ready` carry numbers that move. */
const SPACING_MS = 500;

export class CollectionKeeper {
  readonly #options: CollectionKeeperOptions;
  readonly #queue: WorkQueue;
  #unfollow: () => void = () => undefined;

  constructor(options: CollectionKeeperOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({
      work: () => this.#judge(),
      onError: (_key, error) => options.onError(error),
    });
  }

  start(): void {
    const { cache } = this.#options;
    this.#unfollow = cache.follow(({ object }) => {
      if (this.#isOurs(object)) this.#queue.add(KEY);
    });
    this.#queue.start();
  }

  /** Defaults or outlooks may be others now. */
  changed(): void {
    this.#queue.addAfter(KEY, SPACING_MS);
  }

  async stop(): Promise<void> {
    this.#unfollow();
    await this.#queue.stop();
  }

  #isOurs(object: Stored<RawObject>): boolean {
    const { namespace, cluster } = this.#options;
    return object.metadata.namespace === namespace && clusterOf(object) === cluster;
  }

  async #judge(): Promise<{ readonly againInMs: number | undefined }> {
    const { cache, defaults, namespace } = this.#options;
    const objects = cache.inNamespace(namespace).filter((object) => this.#isOurs(object));
    const verdicts = judgeCollections(objects.map(toClaim), defaults());
    let conflicts = 0;
    for (const object of objects) {
      const verdict = verdicts.get(object.metadata.uid);
      if (verdict && !(await this.#write(object, verdict))) conflicts += 1;
    }
    return { againInMs: conflicts > 0 ? RETRY_MS : undefined };
  }

  /** False when the object has changed meanwhile. */
  async #write(object: Stored<RawObject>, verdict: CollectionVerdict): Promise<boolean> {
    const { client, cache, outlook, onEvent } = this.#options;
    const before = acceptedOf(object);
    const generation = object.metadata.generation ?? 1;
    const accepted = acceptedNow(verdict, before, generation);
    const conditions = conditionsOf(object, verdict, accepted && outlook(accepted.spec.name));
    const status = {
      ...(accepted === undefined ? object.status : withAccepted(object.status, accepted)),
      observedGeneration: generation,
      conditions,
    };
    if (isDeepStrictEqual(status, object.status)) return true;
    try {
      const next: Stored<RawObject> = { ...object, status };
      cache.heard(await client.replaceStatus(PRISM_COLLECTIONS, next, { fieldManager: FIELD_MANAGER }));
    } catch (error) {
      if (error instanceof ApiError && (error.isConflict || error.isNotFound)) return false;
      throw error;
    }
    const turned = conditions.find(({ type, status: value }) => {
      return type === "Accepted" && conditionOf(object, type)?.status !== value;
    });
    if (turned) onEvent(object, turned.reason as Reason, turned.message || REASONS.Accepted);
    return true;
  }
}

function toClaim(object: Stored<RawObject>): CollectionClaim {
  const { uid, creationTimestamp } = object.metadata;
  return {
    uid,
    createdAt: creationTimestamp,
    name: collectionNameOf(object),
    settle: (defaults) => toCollectionSpec(settleCollectionObject(parseCollectionObject(object), defaults)),
    accepted: acceptedOf(object)?.spec,
  };
}

function acceptedNow(
  verdict: CollectionVerdict,
  before: Accepted | undefined,
  generation: number,
): Accepted | undefined {
  if (verdict.kind === "refused") return before;
  const same: CollectionSpec | undefined = before?.spec;
  return same !== undefined && isDeepStrictEqual(same, verdict.spec)
    ? before
    : { spec: verdict.spec, generation };
}

function conditionsOf(
  object: Stored<RawObject>,
  verdict: CollectionVerdict,
  outlook: CollectionOutlook | undefined,
): readonly ObjectCondition[] {
  const isAccepted = verdict.kind === "accepted";
  const accepted = isAccepted
    ? conditionNow(object, "Accepted", true, "Accepted", "")
    : conditionNow(object, "Accepted", false, verdict.reason, verdict.message);
  const fallback = {
    ready: false,
    reason: isAccepted ? "NotConfirmed" : verdict.reason,
    message: "",
  } as const;
  const { ready, reason, message } = outlook ?? fallback;
  return [accepted, conditionNow(object, "Ready", ready, reason, message)];
}

function conditionNow(
  object: Stored<RawObject>,
  type: "Accepted" | "Ready",
  holds: boolean,
  reason: Reason,
  message: string,
): ObjectCondition {
  const status = holds ? "True" : "False";
  const before = conditionOf(object, type);
  return {
    type,
    status,
    reason,
    message,
    observedGeneration: object.metadata.generation ?? 1,
    lastTransitionTime: before?.status === status ? before.lastTransitionTime : new Date().toISOString(),
  };
}

function conditionOf(object: Stored<RawObject>, type: string): ObjectCondition | undefined {
  const conditions = (object.status?.["conditions"] ?? []) as readonly ObjectCondition[];
  return conditions.find((condition) => condition.type === type);
}
