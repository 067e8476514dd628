/**
 * The requests that an operator makes. Every method throws ApiError; a request that nobody answered
 * has `status` 0 and may have been carried out.
 */
import type { KubeObject, ObjectName, Stored } from "./kube-object.js";
import type { Resource } from "./resource.js";

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  /** Until the whole answer is there, tries after 429 included. Default 10 s, of a list 30 s. */
  readonly timeoutMs?: number | undefined;
}

export interface Selection {
  /** All namespaces when unset. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export interface ListOptions extends Selection, RequestOptions {
  /** Objects in one page; all when unset. */
  readonly limit?: number | undefined;
  /** `nextPage` of the page before. */
  readonly continue?: string | undefined;
  /** Unset reads what is true now; "0" takes any version that the server has at hand. */
  readonly resourceVersion?: string | undefined;
}

export interface ObjectPage<T extends KubeObject> {
  readonly items: readonly Stored<T>[];
  /** Where a watch takes up after this list. */
  readonly resourceVersion: string;
  /** Set when there is more. */
  readonly nextPage: string | undefined;
}

export interface WatchOptions extends Selection {
  readonly resourceVersion: string;
  /** When the server ends the watch by itself. */
  readonly timeoutSeconds?: number | undefined;
  /** Silence after which the watch is given up with `reason` "Timeout". Default: never. */
  readonly inactivityTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type WatchEvent<T extends KubeObject> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: Stored<T> }
  /** Nothing changed up to this version. */
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

export interface WriteOptions extends RequestOptions {
  readonly fieldManager?: string | undefined;
  readonly dryRun?: boolean | undefined;
}

export interface ApplyOptions extends RequestOptions {
  readonly fieldManager: string;
  /** Take over fields that another manager set; otherwise they are a conflict (409). */
  readonly force?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
}

export type JsonPatchOperation =
  | { readonly op: "add" | "replace" | "test"; readonly path: string; readonly value: unknown }
  | { readonly op: "remove"; readonly path: string };

export type Patch =
  | { readonly type: "json"; readonly operations: readonly JsonPatchOperation[] }
  /** RFC 7396; put `metadata.resourceVersion` or `metadata.uid` in it to make it conditional. */
  | { readonly type: "merge"; readonly body: Readonly<Record<string, unknown>> };

export interface PatchOptions extends WriteOptions {
  readonly subresource?: "status" | "scale" | undefined;
}

/**
 * What must still be true for a deletion to happen: the object of this name is the same one, and
 * nobody changed it since the decision. `preconditionsOf` gives both.
 */
export interface Preconditions {
  readonly uid: string;
  readonly resourceVersion?: string | undefined;
}

export interface DeleteOptions extends RequestOptions {
  readonly preconditions: Preconditions;
  readonly propagationPolicy?: "Orphan" | "Background" | "Foreground" | undefined;
  readonly gracePeriodSeconds?: number | undefined;
}

export interface EvictOptions extends RequestOptions {
  readonly preconditions: Preconditions;
  readonly gracePeriodSeconds?: number | undefined;
}

export interface ApiClient {
  /** Undefined when there is none; 404 when there is no such kind. */
  get<T extends KubeObject>(
    resource: Resource,
    name: ObjectName,
    options?: RequestOptions,
  ): Promise<Stored<T> | undefined>;
  /** One page; `listAll` reads all. */
  list<T extends KubeObject>(resource: Resource, options?: ListOptions): Promise<ObjectPage<T>>;
  /** 409 AlreadyExists when there is one of this name. */
  create<T extends KubeObject>(resource: Resource, object: T, options?: WriteOptions): Promise<Stored<T>>;
  /** Compare-and-swap on `metadata.uid` and `metadata.resourceVersion`: 409 Conflict when it changed. */
  replace<T extends KubeObject>(
    resource: Resource,
    object: Stored<T>,
    options?: WriteOptions,
  ): Promise<Stored<T>>;
  /** As `replace`, of the status subresource. */
  replaceStatus<T extends KubeObject>(
    resource: Resource,
    object: Stored<T>,
    options?: WriteOptions,
  ): Promise<Stored<T>>;
  /**
   * Server-side apply: `object` holds the fields that the manager owns, and those alone; what it owned
   * before and does not name now is removed. Creates the object when there is none, unless
   * `metadata.uid` is named: then 409 Conflict.
   */
  apply<T extends KubeObject>(resource: Resource, object: T, options: ApplyOptions): Promise<Stored<T>>;
  /** As `apply`, of the status subresource; never creates. */
  applyStatus<T extends KubeObject>(resource: Resource, object: T, options: ApplyOptions): Promise<Stored<T>>;
  patch<T extends KubeObject>(
    resource: Resource,
    name: ObjectName,
    patch: Patch,
    options?: PatchOptions,
  ): Promise<Stored<T>>;
  /** 404 when there is none, 409 Conflict when a precondition does not hold. */
  delete(resource: Resource, name: ObjectName, options: DeleteOptions): Promise<void>;
  /** Ends when the server ends it; throws ApiError (410 also for an ERROR event) or the signal's reason. */
  watch<T extends KubeObject>(resource: Resource, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
  /** Evicts a pod. 429 with the cause `DisruptionBudget` when the budget does not allow it now. */
  evict(pod: Required<ObjectName>, options: EvictOptions): Promise<void>;
  /** Body of a path outside the objects, such as /version or /readyz. */
  getText(path: string, options?: RequestOptions): Promise<string>;
  /** Cuts all connections; requests under way fail. */
  close(): Promise<void>;
}

/** The object must be the same one and unchanged. */
export function preconditionsOf({ metadata }: Stored): Preconditions {
  return { uid: metadata.uid, resourceVersion: metadata.resourceVersion };
}
