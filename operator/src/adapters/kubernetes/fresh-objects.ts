/**
 * The newest known version of every object of one kind, from two sources that overtake each other: answers to
 * writes of this process, and a watch that lags behind them. What is told to the listener never goes back in
 * time: a version that is older than the one known is passed over, and an object that was deleted here does not
 * come back by an event from before.
 *
 * Versions of one object are ordered as numbers, which Kubernetes promises since 1.35 (KEP-5504) and etcd's
 * revisions always were.
 */
import type { KubeObject, Stored } from "@prism/kube-machinery/kube-object";
import { keyOf } from "@prism/kube-machinery/kube-object";

export type FreshChange<T extends KubeObject> =
  | { readonly type: "put"; readonly object: Stored<T> }
  /** `object` as it was last known. */
  | { readonly type: "deleted"; readonly object: Stored<T> };

export class FreshObjects<T extends KubeObject> {
  readonly #objects = new Map<string, Stored<T>>();
  /** Uids of objects that were deleted here and that the watch may still speak of. */
  readonly #deletedHere = new Set<string>();
  readonly #listener: (change: FreshChange<T>) => void;

  constructor(listener: (change: FreshChange<T>) => void) {
    this.#listener = listener;
  }

  get(key: string): Stored<T> | undefined {
    return this.#objects.get(key);
  }

  values(): IterableIterator<Stored<T>> {
    return this.#objects.values();
  }

  /** A version of an object, from an answer or from the watch. */
  take(object: Stored<T>): void {
    const key = keyOf(object.metadata);
    const known = this.#objects.get(key);
    if (this.#deletedHere.has(object.metadata.uid)) return;
    if (known && versionOf(object) <= versionOf(known)) return;
    this.#objects.set(key, object);
    this.#listener({ type: "put", object });
  }

  /** The watch, or an answer that there is none, says that this object is gone. */
  remove(object: Stored<T>): void {
    this.#deletedHere.delete(object.metadata.uid);
    this.#drop(object);
  }

  /** A deletion by this process was confirmed: older events of the object will still come. */
  removeHere(object: Stored<T>): void {
    this.#deletedHere.add(object.metadata.uid);
    this.#drop(object);
  }

  /** All objects that there were at `resourceVersion`. */
  replaceAll(items: readonly Stored<T>[], resourceVersion: string): void {
    const listed = new Set(items.map((object) => object.metadata.uid));
    for (const uid of this.#deletedHere) if (!listed.has(uid)) this.#deletedHere.delete(uid);
    for (const object of [...this.#objects.values()]) {
      const isNewer = versionOf(object) > Number(resourceVersion);
      if (!listed.has(object.metadata.uid) && !isNewer) this.#drop(object);
    }
    for (const object of items) this.take(object);
  }

  #drop({ metadata }: Stored<T>): void {
    const key = keyOf(metadata);
    const known = this.#objects.get(key);
    // Another object of the same name was made meanwhile.
    if (known?.metadata.uid !== metadata.uid) return;
    this.#objects.delete(key);
    this.#listener({ type: "deleted", object: known });
  }
}

function versionOf({ metadata }: Stored): number {
  return Number(metadata.resourceVersion);
}
