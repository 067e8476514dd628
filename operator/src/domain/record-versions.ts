/**
 * The highest version that each shard's record has had, by the shard's collection and number: by it a record that
 * was put back is told from one that is new.
 */

export interface ShardKey {
  readonly collectionUid: string;
  readonly number: number;
}

const ENTRY = /^(\d*)(,\d*)*$/;

export class RecordVersions {
  /** Holes, and 0 for what was forgotten, are of shards of which none is known. */
  readonly #byCollection = new Map<string, number[]>();

  /** @throws {Error} when an entry is none of `toData`. */
  static fromData(data: Readonly<Record<string, string>>): RecordVersions {
    const versions = new RecordVersions();
    for (const [collectionUid, entry] of Object.entries(data)) {
      if (!ENTRY.test(entry)) throw new Error(`${collectionUid} is ${JSON.stringify(entry.slice(0, 40))}`);
      for (const [number, version] of entry.split(",").entries()) {
        if (version !== "") versions.raise({ collectionUid, number }, Number(version));
      }
    }
    return versions;
  }

  /** Small also for 10,000 shards: one text per collection, `12,,7` for its shards 0 and 2. */
  toData(): Record<string, string> {
    return Object.fromEntries(
      [...this.#byCollection].map(([uid, versions]) => {
        return [uid, Array.from(versions, (version) => (version ? String(version) : "")).join(",")];
      }),
    );
  }

  /** 0 when none is known. */
  of({ collectionUid, number }: ShardKey): number {
    return this.#byCollection.get(collectionUid)?.[number] ?? 0;
  }

  /** True when it was lower. */
  raise(shard: ShardKey, version: number): boolean {
    if (version <= this.of(shard)) return false;
    const versions = this.#byCollection.get(shard.collectionUid) ?? [];
    versions[shard.number] = version;
    this.#byCollection.set(shard.collectionUid, versions);
    return true;
  }

  raiseAll(others: RecordVersions): void {
    for (const [collectionUid, versions] of others.#byCollection) {
      for (const [number, version] of versions.entries()) {
        if (version) this.raise({ collectionUid, number }, version);
      }
    }
  }

  forget({ collectionUid, number }: ShardKey): void {
    const versions = this.#byCollection.get(collectionUid);
    if (versions === undefined) return;
    if (number < versions.length) versions[number] = 0;
    while (versions.length > 0 && !versions.at(-1)) versions.pop();
    if (versions.length === 0) this.#byCollection.delete(collectionUid);
  }
}
