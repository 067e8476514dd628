/**
 * The disk of a node: databases and files. A transaction is on disk some time after it was handed in;
 * a crash before that loses it, or keeps it without anybody having been told, whichever the disk likes.
 */
import type { LogSnapshot } from "../check/disk-copies.js";
import { MemoryFiles } from "../runtime/memory-files.js";
import type { Random } from "../runtime/random.js";
import type { VirtualProcess } from "../runtime/virtual-process.js";
import type { WorldLoop } from "../runtime/world-loop.js";
import { MemoryDatabase, type TableWrite } from "./memory-database.js";

/** A point at which a process may be made to crash: `kill -9` finds it there sooner or later. */
export type IoPoint = "commitBegins" | "commitDone" | "send";

export interface VolumeObserver {
  /** Killing the process here ends what it does at once. */
  onIo(volume: Volume, point: IoPoint): void;
  /** The transaction is on disk. */
  onCommitted(volume: Volume, writes: readonly TableWrite[], logs: ReadonlyMap<string, LogSnapshot>): void;
  /** A transaction is handed in: what it brings along, for whoever checks the world. */
  onHandedIn(volume: Volume): ReadonlyMap<string, LogSnapshot>;
  onTorn(volume: Volume, kept: boolean): void;
}

interface Pending {
  readonly process: VirtualProcess;
  readonly database: MemoryDatabase;
  readonly writes: readonly TableWrite[];
  readonly logs: ReadonlyMap<string, LogSnapshot>;
  readonly done: () => void;
}

export class Volume {
  readonly node: string;
  readonly files = new MemoryFiles();
  /** Of the node's data directory; "" before its first start. */
  nodeId = "";
  clusterId = "";
  /** As its file has it, in bytes: they are made when somebody reads them. */
  savedMap: (() => Uint8Array) | undefined;
  /** Milliseconds that one fsync takes. */
  syncMs: number;
  slowUntilMs = 0;
  fullUntilMs = 0;
  readonly #databases = new Map<string, MemoryDatabase>();
  readonly #loop: WorldLoop;
  readonly #random: Random;
  readonly #observer: VolumeObserver;
  #pending: Pending | undefined;
  /** What came with transactions for which there was no room: each is handed in again as it was. */
  readonly #refused = new Map<MemoryDatabase, ReadonlyMap<string, LogSnapshot>>();

  constructor(node: string, syncMs: number, loop: WorldLoop, random: Random, observer: VolumeObserver) {
    this.node = node;
    this.syncMs = syncMs;
    this.#loop = loop;
    this.#random = random;
    this.#observer = observer;
  }

  database(path: string): MemoryDatabase {
    let database = this.#databases.get(path);
    if (database === undefined) this.#databases.set(path, (database = new MemoryDatabase()));
    return database;
  }

  commit(process: VirtualProcess, database: MemoryDatabase, writes: readonly TableWrite[]): Promise<void> {
    const logs = this.#refused.get(database) ?? this.#observer.onHandedIn(this);
    this.#refused.delete(database);
    this.#observer.onIo(this, "commitBegins");
    return new Promise((resolve, reject) => {
      if (!process.alive) return;
      if (this.#loop.nowMs < this.fullUntilMs) {
        this.#refused.set(database, logs);
        const full = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
        this.#loop.after(this.#syncTime(), process, "disk full", () => reject(full));
        return;
      }
      const pending: Pending = { process, database, writes, logs, done: resolve };
      this.#pending = pending;
      this.#loop.after(this.#syncTime(), undefined, "fsync", () => this.#complete(pending));
    });
  }

  /** The process that wrote here is gone; what was on its way to disk may have arrived. */
  crashed(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    this.#refused.clear();
    if (pending === undefined) return;
    const kept = this.#random.chance(0.5);
    if (kept) this.#apply(pending);
    this.#observer.onTorn(this, kept);
  }

  #complete(pending: Pending): void {
    if (this.#pending !== pending) return;
    this.#pending = undefined;
    this.#apply(pending);
    this.#observer.onIo(this, "commitDone");
    this.#loop.within(pending.process, "fsync done", pending.done);
  }

  #apply({ database, writes, logs }: Pending): void {
    database.apply(writes);
    this.#observer.onCommitted(this, writes, logs);
  }

  #syncTime(): number {
    const slow = this.#loop.nowMs < this.slowUntilMs ? 40 : 1;
    return this.syncMs * slow * this.#random.between(0.5, 2);
  }
}
