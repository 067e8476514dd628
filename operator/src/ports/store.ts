/**
 * Where the control plane keeps its objects: the Kubernetes API server, or a local file. What every
 * home promises: changes are linearizable per object, an update succeeds only against the version it
 * was computed from, and a watch shows every change after a version, in order, or says that it can't.
 */
import type { ObjectKinds } from "../domain/objects.js";

export type Kind = keyof ObjectKinds;

export interface ObjectMetadata {
  readonly name: string;
  /** Made by the store at creation; an object made again under the same name has another. */
  readonly uid: string;
  /** Token for compare-and-swap. Opaque: not a number to order by. */
  readonly resourceVersion: string;
  /** Counts changes of `spec`; of kinds whose spec and status are one record, of either. */
  readonly generation: number;
  readonly labels: Readonly<Record<string, string>>;
  /** ISO 8601, UTC. */
  readonly creationTimestamp: string;
}

export interface ApiObject<K extends Kind = Kind> {
  readonly apiVersion: string;
  readonly kind: K;
  readonly metadata: ObjectMetadata;
  readonly spec: ObjectKinds[K]["spec"];
  readonly status: ObjectKinds[K]["status"];
}

export interface NewObject<K extends Kind> {
  readonly kind: K;
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly spec: ObjectKinds[K]["spec"];
  readonly status: ObjectKinds[K]["status"];
}

export interface ObjectList<K extends Kind> {
  readonly items: readonly ApiObject<K>[];
  /** Where a watch takes up after this list. */
  readonly resourceVersion: string;
}

export type ObjectChange<K extends Kind> =
  | { readonly type: "put"; readonly object: ApiObject<K> }
  | { readonly type: "deleted"; readonly object: ApiObject<K> };

export type StoreFailure =
  /** create: there is one of this name already. */
  | "alreadyExists"
  /** create: another object, shown under another name or to another cluster, has what this one would be stored as. */
  | "nameTaken"
  /** update, delete: there is none. */
  | "notFound"
  /** update, delete: the object changed since it was read, or is another one of the same name. */
  | "conflict"
  /** watch: the changes since that version are forgotten; list again. */
  | "expired";

export class StoreError extends Error {
  readonly failure: StoreFailure;
  readonly detail: string;

  constructor(failure: StoreFailure, detail: string) {
    super(`${failure}: ${detail}`);
    this.name = "StoreError";
    this.failure = failure;
    this.detail = detail;
  }
}

export interface DeletePrecondition {
  readonly uid: string;
  readonly resourceVersion?: string;
}

export interface Store {
  get<K extends Kind>(kind: K, name: string): Promise<ApiObject<K> | undefined>;
  /** All objects of the kind, by name. */
  list<K extends Kind>(kind: K): Promise<ObjectList<K>>;
  /**
   * Calls back for every change after `resourceVersion`, in order, until the returned function is
   * called. Throws StoreError "expired".
   */
  watch<K extends Kind>(
    kind: K,
    resourceVersion: string,
    listener: (change: ObjectChange<K>) => void,
  ): () => void;
  /** Throws StoreError "alreadyExists" or "nameTaken". */
  create<K extends Kind>(object: NewObject<K>): Promise<ApiObject<K>>;
  /**
   * Compare-and-swap of labels, spec and status on `metadata.uid` and `metadata.resourceVersion`.
   * Durable when it resolves. Throws StoreError "notFound" or "conflict".
   */
  update<K extends Kind>(object: ApiObject<K>): Promise<ApiObject<K>>;
  /** Throws StoreError "notFound" or "conflict". */
  delete(kind: Kind, name: string, precondition: DeletePrecondition): Promise<void>;
  /**
   * The highest version that the shard's record has had, 0 when none is known: for homes in which a single record can
   * be put back. What they show of one that is older has no content.
   */
  highestVersion?(collectionUid: string, number: number): number;
  close(): Promise<void>;
}
