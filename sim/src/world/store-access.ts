/**
 * The store as one control plane reaches it: over a network that delays, refuses and loses answers, and
 * by watches that are behind, repeat themselves and leave out what was overtaken. Compare-and-swap itself
 * is exact, as the protocol requires.
 */
import type { MemoryStore } from "@prism/operator/adapters/local/memory-store";
import {
  StoreError,
  type ApiObject,
  type DeletePrecondition,
  type Kind,
  type NewObject,
  type ObjectChange,
  type ObjectList,
  type Store,
} from "@prism/operator/ports/store";
import type { Random } from "../runtime/random.js";
import type { VirtualProcess } from "../runtime/virtual-process.js";
import type { WorldLoop } from "../runtime/world-loop.js";

const RELIST_MS = 400;

export interface StoreManners {
  readonly delayMs: number;
  /** Answered "conflict" although nothing was changed meanwhile. */
  readonly conflicts: number;
  /** Done, and the answer lost. */
  readonly lostAnswers: number;
  readonly repeatedEvents: number;
}

export interface StoreTrouble {
  outageUntilMs: number;
  staleUntilMs: number;
}

export interface StoreCounts {
  count(
    situation: "storeConflict" | "storeAnswerLost" | "storeOutageMet" | "watchRepeated" | "watchOvertaken",
  ): void;
}

export class StoreAccess implements Store {
  readonly #store: MemoryStore;
  readonly #process: VirtualProcess;
  readonly #server: VirtualProcess;
  readonly #loop: WorldLoop;
  readonly #random: Random;
  readonly #manners: StoreManners;
  readonly #trouble: StoreTrouble;
  readonly #counts: StoreCounts;

  constructor(parts: {
    readonly store: MemoryStore;
    readonly process: VirtualProcess;
    /** Where the store itself runs. */
    readonly server: VirtualProcess;
    readonly loop: WorldLoop;
    readonly random: Random;
    readonly manners: StoreManners;
    readonly trouble: StoreTrouble;
    readonly counts: StoreCounts;
  }) {
    this.#store = parts.store;
    this.#process = parts.process;
    this.#server = parts.server;
    this.#loop = parts.loop;
    this.#random = parts.random;
    this.#manners = parts.manners;
    this.#trouble = parts.trouble;
    this.#counts = parts.counts;
  }

  get<K extends Kind>(kind: K, name: string): Promise<ApiObject<K> | undefined> {
    return this.#ask("get", () => this.#store.get(kind, name));
  }

  list<K extends Kind>(kind: K): Promise<ObjectList<K>> {
    return this.#ask("list", () => this.#store.list(kind));
  }

  create<K extends Kind>(object: NewObject<K>): Promise<ApiObject<K>> {
    return this.#change("create", () => this.#store.create(object));
  }

  update<K extends Kind>(object: ApiObject<K>): Promise<ApiObject<K>> {
    return this.#change("update", () => this.#store.update(object));
  }

  delete(kind: Kind, name: string, precondition: DeletePrecondition): Promise<void> {
    return this.#change("delete", () => this.#store.delete(kind, name, precondition));
  }

  /**
   * While it is behind, changes of one object that come meanwhile are seen as the last of them: what a
   * client sees that lists again after its watch broke.
   */
  watch<K extends Kind>(
    kind: K,
    resourceVersion: string,
    listener: (change: ObjectChange<K>) => void,
  ): () => void {
    const waiting: ObjectChange<K>[] = [];
    let lastMs = 0;
    const deliver = (): void => {
      const change = waiting.shift();
      if (change === undefined) return;
      const { name } = change.object.metadata;
      const isOvertaken =
        this.#loop.nowMs < this.#trouble.staleUntilMs + RELIST_MS &&
        waiting.some((later) => later.type === "put" && later.object.metadata.name === name);
      if (isOvertaken && change.type === "put") return this.#counts.count("watchOvertaken");
      listener(change);
      if (!this.#random.chance(this.#manners.repeatedEvents)) return;
      this.#counts.count("watchRepeated");
      listener(change);
    };
    return this.#store.watch(kind, resourceVersion, (change) => {
      const { nowMs } = this.#loop;
      const behindMs = Math.max(0, this.#trouble.staleUntilMs - nowMs);
      lastMs = Math.max(lastMs, nowMs + behindMs + this.#delay());
      waiting.push(change);
      this.#loop.after(lastMs - nowMs, this.#process, "watch", deliver);
    });
  }

  async close(): Promise<void> {
    // The store outlives the control planes that use it.
  }

  #delay(): number {
    return this.#manners.delayMs * this.#random.between(0.3, 2);
  }

  #change<T>(what: string, change: () => Promise<T>): Promise<T> {
    if (this.#random.chance(this.#manners.conflicts)) {
      this.#counts.count("storeConflict");
      return this.#ask(what, () => Promise.reject(new StoreError("conflict", "somebody else was faster")));
    }
    const isLost = this.#random.chance(this.#manners.lostAnswers);
    if (!isLost) return this.#ask(what, change);
    return this.#ask(what, async () => {
      await change();
      this.#counts.count("storeAnswerLost");
      throw new Error("the store's answer was lost");
    });
  }

  /** There and back; what happens at the store happens whether or not the asking process still lives. */
  #ask<T>(what: string, act: () => Promise<T>): Promise<T> {
    const process = this.#process;
    return new Promise((resolve, reject) => {
      const answer = (end: () => void): void =>
        this.#loop.after(this.#delay(), process, `${what} answered`, end);
      this.#loop.after(this.#delay(), this.#server, `store ${what}`, () => {
        if (this.#loop.nowMs < this.#trouble.outageUntilMs) {
          this.#counts.count("storeOutageMet");
          answer(() => reject(new Error("the store is away")));
          return;
        }
        act().then(
          (value) => answer(() => resolve(value)),
          (error: unknown) => answer(() => reject(error)),
        );
      });
    });
  }
}
