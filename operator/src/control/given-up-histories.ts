/** The histories that were given up by forced resets, as the cluster's object keeps them. */
import { withGivenUp, type GivenUpHistory } from "../domain/given-up-history.js";
import type { HistoryId } from "../domain/shard-record.js";
import { StoreError, type ApiObject, type Store } from "../ports/store.js";

export class GivenUpHistories {
  readonly #store: Store;
  readonly #cluster: string;
  #log: readonly GivenUpHistory[];

  /** `cluster` as this control plane stored it when it took the lead. */
  constructor(store: Store, cluster: ApiObject<"PrismCluster">) {
    this.#store = store;
    this.#cluster = cluster.metadata.name;
    // A store of before these were kept has none.
    this.#log = cluster.status.givenUpHistories ?? [];
  }

  of(shardUid: string): ReadonlySet<HistoryId> {
    const histories = this.#log.filter(({ shard }) => shard === shardUid);
    return new Set(histories.map(({ historyId }) => historyId as HistoryId));
  }

  /** Resolves when it is stored. Done before the shard's record says so: afterwards may be too late. */
  async record(shardUid: string, historyId: HistoryId, nowMs: number): Promise<void> {
    while (!this.of(shardUid).has(historyId)) {
      const object = await this.#store.get("PrismCluster", this.#cluster);
      if (object === undefined) throw new Error(`cluster ${this.#cluster} has no object`);
      const givenUpHistories = withGivenUp(object.status.givenUpHistories ?? [], shardUid, historyId, nowMs);
      try {
        await this.#store.update({ ...object, status: { ...object.status, givenUpHistories } });
        this.#log = givenUpHistories;
      } catch (error) {
        if (!(error instanceof StoreError) || error.failure !== "conflict") throw error;
      }
    }
  }
}
