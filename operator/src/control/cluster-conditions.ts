/**
 * The conditions of the cluster, kept in the status of its object: whoever reads the store sees them, and a
 * control plane that takes over goes on with their times.
 */
import { isDeepStrictEqual } from "node:util";
import type { StatusResponse } from "@prism/api/status";
import { buildConditions, type Condition } from "../domain/condition.js";
import { StoreError, type ApiObject, type Store } from "../ports/store.js";

/** Messages carry numbers that move; the store is not written for each of them. */
const SPACING_MS = 1000;
const CONFLICT_MS = 20;

export class ClusterConditions {
  readonly #store: Store;
  readonly #name: string;
  readonly #leaderEpoch: number;
  #generation: number;
  #conditions: readonly Condition[];
  #stored: readonly Condition[];
  #writtenAtMs = -Infinity;

  /** `cluster` as this control plane stored it when it took the lead. */
  constructor(store: Store, cluster: ApiObject<"PrismCluster">, published?: readonly Condition[]) {
    this.#store = store;
    this.#name = cluster.metadata.name;
    this.#generation = cluster.metadata.generation;
    this.#leaderEpoch = cluster.status.leaderEpoch;
    this.#stored = cluster.status.conditions;
    this.#conditions = published ?? cluster.status.conditions;
  }

  get list(): readonly Condition[] {
    return this.#conditions;
  }

  /** The spec that conditions speak of from now on. */
  adopt(generation: number): void {
    this.#generation = generation;
  }

  /** True when the stored ones are out of date: `write` is due. */
  take(status: StatusResponse): boolean {
    this.#conditions = buildConditions(status, this.#generation, this.#conditions);
    return !isDeepStrictEqual(this.#conditions, this.#stored);
  }

  /** Says when to be called again; undefined when the store has what there is. */
  async write(): Promise<{ readonly againInMs: number | undefined }> {
    const conditions = this.#conditions;
    if (isDeepStrictEqual(conditions, this.#stored)) return { againInMs: undefined };
    const dueInMs = this.#writtenAtMs + SPACING_MS - performance.now();
    // A change of a condition itself is stored at once, only its words wait.
    if (dueInMs > 0 && !this.#hasTurned(conditions)) return { againInMs: dueInMs };
    const object = await this.#store.get("PrismCluster", this.#name);
    // Another control plane leads: what is stored is its to say.
    if (object?.status.leaderEpoch !== this.#leaderEpoch) return { againInMs: undefined };
    const status = { ...object.status, conditions, observedGeneration: this.#generation };
    try {
      await this.#store.update({ ...object, status });
    } catch (error) {
      if (error instanceof StoreError && error.failure === "conflict") return { againInMs: CONFLICT_MS };
      throw error;
    }
    this.#writtenAtMs = performance.now();
    this.#stored = conditions;
    return { againInMs: this.#conditions === conditions ? undefined : SPACING_MS };
  }

  #hasTurned(conditions: readonly Condition[]): boolean {
    return conditions.some(({ type, status }) => {
      const stored = this.#stored.find((condition) => condition.type === type);
      return stored?.status !== status;
    });
  }
}
