/**
 * The newest known version of every object of one resource, from two sources that overtake each other: a
 * reflector, whose watch lags behind, and answers to writes of this process. What handlers are told never
 * goes back in time, save when the API server itself was put back to a backup.
 */
import { keyOf, type KubeObject, type ObjectName, type Stored } from "./kube-object.js";
import { compareResourceVersions } from "./resource-version.js";

export type CacheChange<T extends KubeObject> =
  /** `before` is unset for an object that was not known. */
  | { readonly type: "put"; readonly object: Stored<T>; readonly before: Stored<T> | undefined }
  /** `object` as it was last known. */
  | { readonly type: "deleted"; readonly object: Stored<T> };

/** Where a reflector puts what it reads. Calls come in the order of the server's history. */
export interface ObjectSink<T extends KubeObject> {
  /** All objects that there were at `resourceVersion`. */
  replaceAll(items: readonly Stored<T>[], resourceVersion: string): void;
  take(object: Stored<T>): void;
  remove(object: Stored<T>): void;
}

export type Indexer<T extends KubeObject> = (object: Stored<T>) => readonly string[];
export type Handler<T extends KubeObject> = (change: CacheChange<T>) => void;

export interface ObjectCacheOptions<T extends KubeObject, I extends string> {
  /** Values of an object under each index. Pure: called for the old version again when it goes. */
  readonly indexers?: Readonly<Record<I, Indexer<T>>>;
  /** A handler that throws is told here; the others, and later changes, are not held up by it. */
  readonly onHandlerError?: (error: unknown, change: CacheChange<T>) => void;
}

type Index<T extends KubeObject> = Map<string, Map<string, Stored<T>>>;

export class ObjectCache<T extends KubeObject, I extends string = never> implements ObjectSink<T> {
  readonly #byKey = new Map<string, Stored<T>>();
  readonly #byUid = new Map<string, Stored<T>>();
  readonly #byNamespace: Index<T> = new Map();
  readonly #indexes = new Map<string, { readonly indexer: Indexer<T>; readonly index: Index<T> }>();
  readonly #handlers = new Set<Handler<T>>();
  readonly #onHandlerError: (error: unknown, change: CacheChange<T>) => void;
  /** Uids that this process deleted and that the watch may still speak of. */
  readonly #deletedHere = new Set<string>();
  /** How far the reflector has come; own writes may be ahead of it. */
  #reflected = "";

  constructor(options: ObjectCacheOptions<T, I> = {}) {
    this.#onHandlerError = options.onHandlerError ?? rethrowLater;
    for (const [name, indexer] of Object.entries<Indexer<T>>(options.indexers ?? {}))
      this.#indexes.set(name, { indexer, index: new Map() });
    this.#indexes.set("", {
      indexer: ({ metadata }) => [metadata.namespace ?? ""],
      index: this.#byNamespace,
    });
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** By `keyOf`. */
  get(key: string): Stored<T> | undefined {
    return this.#byKey.get(key);
  }

  named(name: ObjectName): Stored<T> | undefined {
    return this.#byKey.get(keyOf(name));
  }

  byUid(uid: string): Stored<T> | undefined {
    return this.#byUid.get(uid);
  }

  byIndex(name: I, value: string): readonly Stored<T>[] {
    return [...(this.#indexes.get(name)?.index.get(value)?.values() ?? [])];
  }

  inNamespace(namespace: string): readonly Stored<T>[] {
    return [...(this.#byNamespace.get(namespace)?.values() ?? [])];
  }

  values(): IterableIterator<Stored<T>> {
    return this.#byKey.values();
  }

  /** The reflector has come to this version: what the server did up to then is in here. */
  hasReflected(resourceVersion: string): boolean {
    return this.#reflected !== "" && compareResourceVersions(this.#reflected, resourceVersion) >= 0;
  }

  /** Hears of every object that there is now, then of every change, until the returned function is called. */
  follow(handler: Handler<T>): () => void {
    this.#handlers.add(handler);
    const present = [...this.#byKey.values()];
    for (const object of present) this.#tell(handler, { type: "put", object, before: undefined });
    return () => this.#handlers.delete(handler);
  }

  /** The answer to a write of this process: known at once, without waiting for the watch. */
  heard(object: Stored<T>): Stored<T> {
    this.#put(object);
    return object;
  }

  /**
   * This process deleted the object and it is gone: older events of it will still come. Not for objects that end
   * slowly, by finalizers or a grace period.
   */
  heardGone(object: Stored<T>): void {
    this.#deletedHere.add(object.metadata.uid);
    this.#drop(object);
  }

  take(object: Stored<T>): void {
    this.#reflected = object.metadata.resourceVersion;
    this.#put(object);
  }

  remove(object: Stored<T>): void {
    this.#reflected = object.metadata.resourceVersion;
    this.#deletedHere.delete(object.metadata.uid);
    this.#drop(object);
  }

  replaceAll(items: readonly Stored<T>[], resourceVersion: string): void {
    // Lists are of the present. One that is older than what was seen comes from a restored backup, and
    // what was known of the time after it has never been.
    if (this.#reflected !== "" && compareResourceVersions(resourceVersion, this.#reflected) < 0) {
      const listed = new Set(items.map((object) => versionOf(object)));
      for (const object of this.#byKey.values()) if (!listed.has(versionOf(object))) this.#drop(object);
      this.#deletedHere.clear();
    }
    this.#reflected = resourceVersion;
    const present = new Set(items.map((object) => object.metadata.uid));
    for (const uid of this.#deletedHere) if (!present.has(uid)) this.#deletedHere.delete(uid);
    for (const object of this.#byKey.values()) {
      const isOwnWrite = compareResourceVersions(object.metadata.resourceVersion, resourceVersion) > 0;
      if (!present.has(object.metadata.uid) && !isOwnWrite) this.#drop(object);
    }
    for (const object of items) this.#put(object);
  }

  #put(object: Stored<T>): void {
    const { uid, resourceVersion } = object.metadata;
    if (this.#deletedHere.has(uid)) return;
    const key = keyOf(object.metadata);
    let before = this.#byKey.get(key);
    if (before && compareResourceVersions(resourceVersion, before.metadata.resourceVersion) <= 0) return;
    if (before && before.metadata.uid !== uid) {
      // Deleted and made again while nobody looked: two objects, and whoever follows one must hear its end.
      this.#drop(before);
      before = undefined;
    }
    deepFreeze(object);
    if (before) this.#unindex(key, before);
    this.#byKey.set(key, object);
    this.#byUid.set(uid, object);
    this.#index(key, object);
    this.#tellAll({ type: "put", object, before });
  }

  #drop({ metadata }: Stored<T>): void {
    const key = keyOf(metadata);
    const known = this.#byKey.get(key);
    // Another object of that name was made meanwhile.
    if (known === undefined || known.metadata.uid !== metadata.uid) return;
    this.#byKey.delete(key);
    this.#byUid.delete(metadata.uid);
    this.#unindex(key, known);
    this.#tellAll({ type: "deleted", object: known });
  }

  #index(key: string, object: Stored<T>): void {
    for (const { indexer, index } of this.#indexes.values()) {
      for (const value of indexer(object)) {
        const entries = index.get(value) ?? new Map<string, Stored<T>>();
        index.set(value, entries.set(key, object));
      }
    }
  }

  #unindex(key: string, object: Stored<T>): void {
    for (const { indexer, index } of this.#indexes.values()) {
      for (const value of indexer(object)) {
        const entries = index.get(value);
        entries?.delete(key);
        if (entries?.size === 0) index.delete(value);
      }
    }
  }

  #tellAll(change: CacheChange<T>): void {
    for (const handler of this.#handlers) this.#tell(handler, change);
  }

  #tell(handler: Handler<T>, change: CacheChange<T>): void {
    try {
      handler(change);
    } catch (error) {
      this.#onHandlerError(error, change);
    }
  }
}

function versionOf({ metadata }: Stored): string {
  return `${metadata.uid}@${metadata.resourceVersion}`;
}

/** Views are shared by all who ask: whoever changes one would change everybody's. */
function deepFreeze(value: object): void {
  if (Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const field of Object.values(value) as unknown[])
    if (typeof field === "object" && field !== null) deepFreeze(field);
}

/** With nobody to tell, a broken handler ends the process, but not in the middle of an update of the cache. */
function rethrowLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
