/** The deletions of collections as the cluster's object keeps them. */
import { withDeletion, type DeletedCollection } from "../domain/deleted-collection.js";
import { StoreError, type ApiObject, type Store } from "../ports/store.js";

export class DeletedCollections {
  readonly #store: Store;
  readonly #cluster: string;
  #deleted: readonly DeletedCollection[];

  /** `cluster` as this control plane stored it when it took the lead. */
  constructor(store: Store, cluster: ApiObject<"PrismCluster">) {
    this.#store = store;
    this.#cluster = cluster.metadata.name;
    this.#deleted = cluster.status.deletedCollections;
  }

  get uids(): readonly string[] {
    return this.#deleted.map(({ uid }) => uid);
  }

  has(uid: string): boolean {
    return this.#deleted.some((deleted) => deleted.uid === uid);
  }

  /** Resolves when it is stored. Done before the collection's object goes: a deletion without it would be none. */
  async record(uid: string, nowMs: number): Promise<void> {
    while (!this.has(uid)) {
      const object = await this.#store.get("PrismCluster", this.#cluster);
      if (object === undefined) throw new Error(`cluster ${this.#cluster} has no object`);
      const deletedCollections = withDeletion(object.status.deletedCollections, uid, nowMs);
      try {
        await this.#store.update({ ...object, status: { ...object.status, deletedCollections } });
        this.#deleted = deletedCollections;
      } catch (error) {
        if (!(error instanceof StoreError) || error.failure !== "conflict") throw error;
      }
    }
  }
}
