import { StoreError, type ApiObject, type Kind, type ObjectChange } from "../../ports/store.js";

interface Entry {
  readonly version: number;
  readonly change: ObjectChange<Kind>;
}

type Listener = (change: ObjectChange<Kind>) => void;

/** The last changes of a store in order, and who wants to hear of the next: what a watch is made of. */
export class ChangeFeed {
  readonly #capacity: number;
  /** Changes up to here are forgotten. */
  #forgottenThrough: number;
  #latest: number;
  readonly #entries: Entry[] = [];
  readonly #listeners = new Map<Listener, Kind>();

  constructor(latest: number, capacity = 4096) {
    this.#capacity = capacity;
    this.#forgottenThrough = latest;
    this.#latest = latest;
  }

  get latest(): number {
    return this.#latest;
  }

  publish(version: number, type: ObjectChange<Kind>["type"], object: ApiObject): void {
    const change = { type, object };
    this.#latest = version;
    this.#entries.push({ version, change });
    if (this.#entries.length > this.#capacity) {
      const dropped = this.#entries.splice(0, this.#entries.length - this.#capacity / 2);
      this.#forgottenThrough = dropped.at(-1)?.version ?? this.#forgottenThrough;
    }
    for (const [listener, kind] of this.#listeners) {
      if (kind === object.kind) listener(change);
    }
  }

  watch<K extends Kind>(
    kind: K,
    resourceVersion: string,
    listener: (change: ObjectChange<K>) => void,
  ): () => void {
    const after = Number(resourceVersion);
    if (!(after >= this.#forgottenThrough)) {
      throw new StoreError("expired", `changes after ${resourceVersion} are forgotten`);
    }
    // Registered per call, and only changes of `kind` reach it.
    const typed: Listener = (change) => listener(change as ObjectChange<K>);
    for (const entry of this.#entries) {
      if (entry.version > after && entry.change.object.kind === kind) typed(entry.change);
    }
    this.#listeners.set(typed, kind);
    return () => this.#listeners.delete(typed);
  }

  close(): void {
    this.#listeners.clear();
  }
}
