import { open, type RootDatabase } from "lmdb";
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

const VERSION_KEY = ["", "resourceVersion"];

interface Outcome {
  readonly version: number;
  readonly type: ObjectChange<Kind>["type"];
  readonly object: ApiObject;
}

/**
 * The Store of one machine: one LMDB file, owned by one process. A change resolves, and watchers
 * hear of it, only when it is on disk; changes made in the same turn share one fsync.
 */
export class LmdbStore implements Store {
  readonly #database: RootDatabase<unknown, string[]>;
  readonly #feed: ChangeFeed;

  /** `path` is the data file; its folder must exist. */
  constructor(path: string) {
    this.#database = open<unknown, string[]>({
      path,
      encoding: "json",
      // With overlapping sync a later transaction may become visible before an earlier one is on
      // disk: a primary could act on a record that a power cut takes back.
      overlappingSync: false,
    });
    this.#feed = new ChangeFeed(this.#storedVersion());
  }

  async get<K extends Kind>(kind: K, name: string): Promise<ApiObject<K> | undefined> {
    return this.#read(kind, name);
  }

  async list<K extends Kind>(kind: K): Promise<ObjectList<K>> {
    const items: ApiObject<K>[] = [];
    const range = this.#database.getRange({ start: [kind, ""], end: [kind, "\u{10ffff}"] });
    for (const { value } of range) items.push(value as ApiObject<K>);
    return { items, resourceVersion: String(this.#feed.latest) };
  }

  watch<K extends Kind>(
    kind: K,
    resourceVersion: string,
    listener: (change: ObjectChange<K>) => void,
  ): () => void {
    return this.#feed.watch(kind, resourceVersion, listener);
  }

  create<K extends Kind>(object: NewObject<K>): Promise<ApiObject<K>> {
    return this.#put((version) => created(this.#read(object.kind, object.name), object, version));
  }

  update<K extends Kind>(object: ApiObject<K>): Promise<ApiObject<K>> {
    return this.#put((version) => updated(this.#read<K>(object.kind, object.metadata.name), object, version));
  }

  async delete(kind: Kind, name: string, precondition: DeletePrecondition): Promise<void> {
    await this.#change((version) => {
      const object = matching(this.#read(kind, name), kind, name, precondition);
      void this.#database.remove([kind, name]);
      return { version, type: "deleted", object };
    });
  }

  async close(): Promise<void> {
    this.#feed.close();
    await this.#database.close();
  }

  #storedVersion(): number {
    return (this.#database.get(VERSION_KEY) as number | undefined) ?? 0;
  }

  #read<K extends Kind>(kind: K, name: string): ApiObject<K> | undefined {
    return this.#database.get([kind, name]) as ApiObject<K> | undefined;
  }

  async #put<K extends Kind>(compute: (version: number) => ApiObject<K>): Promise<ApiObject<K>> {
    const outcome = await this.#change((version) => {
      const object = compute(version);
      void this.#database.put([object.kind, object.metadata.name], object);
      return { version, type: "put", object };
    });
    return outcome.object as ApiObject<K>;
  }

  async #change(work: (version: number) => Outcome): Promise<Outcome> {
    const result = await this.#database.transaction((): Outcome | { readonly failure: unknown } => {
      const version = this.#storedVersion() + 1;
      // A throw would abort the writes of everyone who shares this transaction.
      try {
        const outcome = work(version);
        void this.#database.put(VERSION_KEY, version);
        return outcome;
      } catch (failure) {
        return { failure };
      }
    });
    if ("failure" in result) throw result.failure;
    this.#feed.publish(result.version, result.type, result.object);
    return result;
  }
}
