import type {
  ApiObject,
  DeletePrecondition,
  Kind,
  NewObject,
  ObjectChange,
  ObjectList,
  Store,
} from "../../ports/store.js";
import { ChangeFeed } from "./change-feed.js";
import { created, matching, updated } from "./object-change.js";

/** A Store that forgets: for tests and for clusters that are thrown away. */
export class MemoryStore implements Store {
  readonly #objects = new Map<Kind, Map<string, ApiObject>>();
  readonly #feed = new ChangeFeed(0);

  async get<K extends Kind>(kind: K, name: string): Promise<ApiObject<K> | undefined> {
    return this.#read(kind, name);
  }

  async list<K extends Kind>(kind: K): Promise<ObjectList<K>> {
    const items = [...this.#ofKind(kind).values()].sort(byName);
    return { items, resourceVersion: String(this.#feed.latest) };
  }

  watch<K extends Kind>(
    kind: K,
    resourceVersion: string,
    listener: (change: ObjectChange<K>) => void,
  ): () => void {
    return this.#feed.watch(kind, resourceVersion, listener);
  }

  async create<K extends Kind>(object: NewObject<K>): Promise<ApiObject<K>> {
    return this.#put(created(this.#read(object.kind, object.name), object, this.#feed.latest + 1));
  }

  async update<K extends Kind>(object: ApiObject<K>): Promise<ApiObject<K>> {
    const present = this.#read<K>(object.kind, object.metadata.name);
    return this.#put(updated(present, object, this.#feed.latest + 1));
  }

  /** An object that was deleted is there again, the same one: what a backup of a real store can do. */
  putBack<K extends Kind>(object: ApiObject<K>): void {
    const resourceVersion = String(this.#feed.latest + 1);
    this.#put({ ...object, metadata: { ...object.metadata, resourceVersion } });
  }

  async delete(kind: Kind, name: string, precondition: DeletePrecondition): Promise<void> {
    const object = matching(this.#read(kind, name), kind, name, precondition);
    this.#ofKind(kind).delete(name);
    this.#feed.publish(this.#feed.latest + 1, "deleted", object);
  }

  async close(): Promise<void> {
    this.#feed.close();
  }

  #ofKind<K extends Kind>(kind: K): Map<string, ApiObject<K>> {
    let objects = this.#objects.get(kind);
    if (!objects) this.#objects.set(kind, (objects = new Map()));
    return objects as Map<string, ApiObject<K>>;
  }

  #read<K extends Kind>(kind: K, name: string): ApiObject<K> | undefined {
    return this.#ofKind(kind).get(name);
  }

  #put<K extends Kind>(object: ApiObject<K>): ApiObject<K> {
    // A caller that kept its own reference must not change what is stored.
    const stored = copyOf(object);
    this.#ofKind<K>(object.kind).set(object.metadata.name, stored);
    this.#feed.publish(Number(stored.metadata.resourceVersion), "put", stored);
    return stored;
  }
}

function byName(left: ApiObject, right: ApiObject): number {
  return left.metadata.name < right.metadata.name ? -1 : 1;
}

/** Of what JSON can say, which is all that objects hold; structuredClone takes several times as long. */
function copyOf<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copyOf) as T;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, copyOf(member)])) as T;
}
