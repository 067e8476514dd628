/**
 * Keeps on disk what record of its shard a copy was given, before the copy acts on it. When the record
 * itself is lost, this is what proves what it last was: a copy that had acted on a newer one and forgotten
 * it would prove something false, and acknowledged writes would be lost by it.
 */
import type { CopyReport } from "@prism/proto/gen/node";
import type { KeptRecord } from "../adapters/lmdb/kept-record.js";
import type { ShardStore } from "../adapters/lmdb/shard-store.js";
import { toWireShard } from "../adapters/wire/cluster-map.js";
import type { ClusterMap, ShardMap } from "../domain/cluster-map.js";
import type { CopyService } from "./copy-service.js";

export class RecordKeeper {
  readonly #store: ShardStore;
  readonly #shardUid: string;
  #kept: KeptRecord | undefined;
  #durable: KeptRecord | undefined;

  constructor(store: ShardStore, shardUid: string) {
    this.#store = store;
    this.#shardUid = shardUid;
    this.#kept = store.kept(shardUid);
    this.#durable = this.#kept;
  }

  get map(): ShardMap | undefined {
    return this.#kept?.map;
  }

  /** The record is older than the one the copy was given, or comes from a leader that was overtaken. */
  isPast(map: ShardMap, leaderEpoch: number): boolean {
    return (
      this.#kept !== undefined &&
      (map.version < this.#kept.map.version || leaderEpoch < this.#kept.leaderEpoch)
    );
  }

  /** Calls back once the record is on disk; at once when it is there already. In the order of the calls. */
  keep(map: ShardMap, leaderEpoch: number, then: () => void): void {
    if (this.#kept === undefined || map.version > this.#kept.map.version) {
      this.#put({ map, leaderEpoch: Math.max(leaderEpoch, this.#kept?.leaderEpoch ?? 0) });
    }
    this.#whenDurable(then);
  }

  /** Calls back once it is on disk that leaders before this one are not followed any more. */
  fence(leaderEpoch: number, then: () => void): void {
    if (this.#kept === undefined) return;
    if (leaderEpoch > this.#kept.leaderEpoch) this.#put({ ...this.#kept, leaderEpoch });
    this.#whenDurable(then);
  }

  #put(kept: KeptRecord): void {
    this.#kept = kept;
    this.#store.putKept(this.#shardUid, kept);
    this.#store.onDurable(() => (this.#durable = kept));
  }

  #whenDurable(then: () => void): void {
    if (this.#durable === this.#kept) then();
    else this.#store.onDurable(then);
  }
}

interface Noticed {
  readonly leaderEpoch: number;
  readonly revision: number;
}

/** The keepers of all copies of a worker, and what is said of records that the newest map does not have. */
export class RecordKeepers {
  readonly #keepers = new Map<string, { readonly copy: CopyService; readonly keeper: RecordKeeper }>();
  /** By shard: of which map it was noticed that it has no such record. */
  readonly #noticed = new Map<string, Noticed>();
  /** Of those, what is on disk: no earlier leader is followed in spite of it. */
  readonly #unrecorded = new Map<string, Noticed>();
  readonly #onProof: () => void;

  /** @param onProof something more is to be reported */
  constructor(onProof: () => void) {
    this.#onProof = onProof;
  }

  of(copy: CopyService): RecordKeeper {
    const held = this.#keepers.get(copy.shardUid);
    if (held?.copy === copy) return held.keeper;
    const keeper = new RecordKeeper(copy.store, copy.shardUid);
    this.#keepers.set(copy.shardUid, { copy, keeper });
    return keeper;
  }

  isPast(copy: CopyService | undefined, map: ShardMap, leaderEpoch: number): boolean {
    return copy !== undefined && this.of(copy).isPast(map, leaderEpoch);
  }

  /** The map has the shard's record, or the copy is gone. */
  recorded(shardUid: string): void {
    this.#noticed.delete(shardUid);
    this.#unrecorded.delete(shardUid);
  }

  /** The map lacks the shard's record, or has an older one: what this copy was given becomes part of its reports. */
  unrecorded(copy: CopyService, { leaderEpoch, revision }: ClusterMap): void {
    const { shardUid } = copy;
    const noticed = { leaderEpoch, revision };
    this.#noticed.set(shardUid, noticed);
    this.of(copy).fence(leaderEpoch, () => {
      if (this.#noticed.get(shardUid) !== noticed) return;
      this.#unrecorded.set(shardUid, noticed);
      this.#onProof();
    });
  }

  report(copy: CopyService): CopyReport {
    const report = copy.report();
    const noticed = this.#unrecorded.get(copy.shardUid);
    const { map } = this.of(copy);
    // After a restart, and before the first map, it would pass for a copy that knows of no record.
    const isBehind = map !== undefined && map.version > report.mapVersion;
    if (map === undefined || (noticed === undefined && !isBehind)) return report;
    const { leaderEpoch, revision: mapRevision } = noticed ?? { leaderEpoch: 0, revision: 0 };
    return { ...report, kept: { shard: toWireShard(map), leaderEpoch, mapRevision } };
  }
}
