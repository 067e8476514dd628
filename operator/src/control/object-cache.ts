import { StoreError, type ApiObject, type Kind, type ObjectChange, type Store } from "../ports/store.js";

type Listener<K extends Kind> = (change: ObjectChange<K>) => void;

/** All objects of one kind, as the store last told: reads may be stale, so every write compares. */
export class ObjectCache<K extends Kind> {
  readonly #store: Store;
  readonly #kind: K;
  readonly #listener: Listener<K>;
  readonly #isWhole: (object: ApiObject<K>) => boolean;
  readonly #objects = new Map<string, ApiObject<K>>();
  #stopWatch: () => void = () => undefined;

  /** An object that is not whole counts as absent: unknown, and nothing is decided by it. */
  constructor(
    store: Store,
    kind: K,
    listener: Listener<K>,
    isWhole: (object: ApiObject<K>) => boolean = () => true,
  ) {
    this.#isWhole = isWhole;
    this.#store = store;
    this.#kind = kind;
    this.#listener = listener;
  }

  /** Lists, then follows. The listener hears of every object once from the list. */
  async start(): Promise<void> {
    const list = await this.#store.list(this.#kind);
    for (const object of list.items) this.#take({ type: "put", object });
    try {
      this.#stopWatch = this.#store.watch(this.#kind, list.resourceVersion, (change) => this.#take(change));
    } catch (error) {
      if (!(error instanceof StoreError) || error.failure !== "expired") throw error;
      await this.start();
    }
  }

  stop(): void {
    this.#stopWatch();
  }

  get(name: string): ApiObject<K> | undefined {
    return this.#objects.get(name);
  }

  values(): IterableIterator<ApiObject<K>> {
    return this.#objects.values();
  }

  get size(): number {
    return this.#objects.size;
  }

  #take(change: ObjectChange<K>): void {
    const { object } = change;
    const { name } = object.metadata;
    const isPresent = change.type === "put" && this.#isWhole(object);
    if (isPresent) this.#objects.set(name, object);
    else this.#objects.delete(name);
    this.#listener({ type: isPresent ? "put" : "deleted", object });
  }
}
