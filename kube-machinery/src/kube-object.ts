/** What every Kubernetes object has. Kinds extend `KubeObject` with their own spec and status. */

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface ManagedFieldsEntry {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly subresource?: string;
  readonly time?: string;
  readonly fieldsV1?: Readonly<Record<string, unknown>>;
}

/** What a writer may say. */
export interface ObjectMeta {
  readonly name: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
  /** Set by the server. A write that names it is refused when the object is another one by now. */
  readonly uid?: string;
  /** Set by the server. A write that names it is refused when the object has changed since. */
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  /** When set, the object is being deleted and waits for its finalizers or its grace period. */
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly managedFields?: readonly ManagedFieldsEntry[];
}

/** What the server always answers. */
export interface StoredMeta extends ObjectMeta {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly creationTimestamp: string;
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

/** An object as the server answered it. */
export type Stored<T extends KubeObject = KubeObject> = T & { readonly metadata: StoredMeta };

/** Where an object is, without its kind. */
export interface ObjectName {
  /** Unset for kinds without namespaces. */
  readonly namespace?: string | undefined;
  readonly name: string;
}

/** `namespace/name`, or `name` of a kind without namespaces: the key of caches and work queues. */
export function keyOf({ namespace, name }: ObjectName): string {
  return namespace === undefined || namespace === "" ? name : `${namespace}/${name}`;
}

/** The inverse of `keyOf`: object names hold no slash. */
export function nameOfKey(key: string): ObjectName {
  const slash = key.indexOf("/");
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** An owner reference that makes `owner` the controller of what carries it. */
export function controllerReference(owner: Stored): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}
