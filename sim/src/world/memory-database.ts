/**
 * A database of a simulated volume, as lmdb shows it to the shard store: named tables of byte keys in
 * order, read as of the last commit, changed by one transaction at a time that is on disk whole or
 * not at all.
 */
import type { open, RootDatabase } from "lmdb";

export interface TableWrite {
  readonly table: string;
  readonly key: string;
  /** Undefined removes. */
  readonly value: Buffer | undefined;
}

/** Takes a transaction to disk; rejects as lmdb does when the disk is full. */
export type Commit = (database: MemoryDatabase, writes: readonly TableWrite[]) => Promise<void>;

class Table {
  readonly values = new Map<string, Buffer>();
  #keys: string[] | undefined = [];

  set(key: string, value: Buffer): void {
    if (!this.values.has(key) && this.#keys !== undefined) {
      const last = this.#keys.at(-1);
      if (last === undefined || key > last) this.#keys.push(key);
      else this.#keys = undefined;
    }
    this.values.set(key, value);
  }

  delete(key: string): void {
    if (!this.values.delete(key) || this.#keys === undefined) return;
    if (this.#keys.at(-1) === key) this.#keys.pop();
    else this.#keys = undefined;
  }

  keys(): readonly string[] {
    this.#keys ??= [...this.values.keys()].sort((a, b) => (a < b ? -1 : 1));
    return this.#keys;
  }

  copy(): Table {
    const copy = new Table();
    for (const key of this.keys()) copy.set(key, this.values.get(key)!);
    return copy;
  }
}

/** What is on the disk. */
export class MemoryDatabase {
  #tables = new Map<string, Table>();

  table(name: string): Table {
    let table = this.#tables.get(name);
    if (table === undefined) this.#tables.set(name, (table = new Table()));
    return table;
  }

  apply(writes: readonly TableWrite[]): void {
    for (const { table, key, value } of writes) {
      if (value === undefined) this.table(table).delete(key);
      else this.table(table).set(key, value);
    }
  }

  /** As of now; what is written later does not show in it. */
  snapshot(): MemoryDatabase {
    const snapshot = new MemoryDatabase();
    for (const [name, table] of this.#tables) snapshot.#tables.set(name, table.copy());
    return snapshot;
  }
}

interface ReadOptions {
  readonly start?: Buffer;
  readonly end?: Buffer;
  readonly limit?: number;
  readonly transaction?: MemoryDatabase;
}

const DONE = Promise.resolve(true);

function textOf(key: Buffer): string {
  return key.toString("latin1");
}

/** A named table of an open database. */
class OpenTable {
  readonly #name: string;
  readonly #root: OpenDatabase;

  constructor(name: string, root: OpenDatabase) {
    this.#name = name;
    this.#root = root;
  }

  get(key: Buffer, options?: ReadOptions): Buffer | undefined {
    return this.#table(options).values.get(textOf(key));
  }

  *getRange(options: ReadOptions): Generator<{ key: Buffer; value: Buffer }> {
    const table = this.#table(options);
    for (const key of keysWithin(table.keys(), options)) {
      yield { key: Buffer.from(key, "latin1"), value: table.values.get(key)! };
    }
  }

  *getKeys(options: ReadOptions): Generator<Buffer> {
    for (const key of keysWithin(this.#table(options).keys(), options)) yield Buffer.from(key, "latin1");
  }

  put(key: Buffer, value: Buffer): Promise<boolean> {
    this.#root.write({ table: this.#name, key: textOf(key), value });
    return DONE;
  }

  remove(key: Buffer): Promise<boolean> {
    this.#root.write({ table: this.#name, key: textOf(key), value: undefined });
    return DONE;
  }

  #table(options: ReadOptions | undefined): Table {
    return (options?.transaction ?? this.#root.database).table(this.#name);
  }
}

function keysWithin(keys: readonly string[], { start, end, limit = Infinity }: ReadOptions): string[] {
  const from = start === undefined ? "" : textOf(start);
  const to = end === undefined ? undefined : textOf(end);
  let low = 0;
  for (let high = keys.length; low < high;) {
    const middle = (low + high) >> 1;
    if (keys[middle]! < from) low = middle + 1;
    else high = middle;
  }
  const found: string[] = [];
  for (let i = low; i < keys.length && found.length < limit; i += 1) {
    const key = keys[i]!;
    if (to !== undefined && key >= to) break;
    found.push(key);
  }
  return found;
}

class OpenDatabase {
  readonly database: MemoryDatabase;
  readonly #commit: Commit;
  #writes: TableWrite[] = [];

  constructor(database: MemoryDatabase, commit: Commit) {
    this.database = database;
    this.#commit = commit;
  }

  openDB({ name }: { name: string }): OpenTable {
    return new OpenTable(name, this);
  }

  write(write: TableWrite): void {
    this.#writes.push(write);
  }

  batch(change: () => void): Promise<void> {
    this.#writes = [];
    change();
    return this.#commit(this.database, this.#writes);
  }

  resetReadTxn(): void {
    // Reads see the newest commit in any case.
  }

  useReadTransaction(): MemoryDatabase & { done: () => void } {
    return Object.assign(this.database.snapshot(), { done: () => undefined });
  }

  async close(): Promise<void> {
    // Nothing is held open.
  }
}

/** lmdb's `open` on a simulated disk. Only what the shard store uses of it is there. */
export function openOn(database: (path: string) => MemoryDatabase, commit: Commit): typeof open {
  return (({ path }: { path: string }) =>
    new OpenDatabase(database(path), commit) as unknown as RootDatabase) as unknown as typeof open;
}
