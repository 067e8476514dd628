/** All objects of one kind that this process may see, kept up with by one watch for all who want to know. */
import type { KubeObject, Stored } from "@prism/kube-machinery/kube-object";
import { FreshObjects, type FreshChange } from "./fresh-objects.js";

type Listener<T extends KubeObject> = (change: FreshChange<T>) => void;

export class ObjectFeed<T extends KubeObject> {
  readonly objects: FreshObjects<T>;
  readonly #listeners = new Set<Listener<T>>();

  constructor() {
    this.objects = new FreshObjects<T>((change) => {
      for (const listener of this.#listeners) listener(change);
    });
  }

  /** Hears of every object that there is now, then of every change, until the returned function is called. */
  follow(listener: Listener<T>): () => void {
    for (const object of [...this.objects.values()]) listener({ type: "put", object });
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** An answer to a write of this process. */
  heard(object: Stored<T>): Stored<T> {
    this.objects.take(object);
    return object;
  }
}
