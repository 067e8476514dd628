/** The arena's record and those who change it: operators with stale caches, and a person who resets. */
import type { AllocationId } from "@prism/dataplane/domain/cluster-map";
import type { CopyEffect } from "@prism/dataplane/domain/replication/event";
import {
  changeRecord,
  newShardRecord,
  type AllocationId as StoredId,
  type CopyPlace,
  type HistoryId as StoredHistory,
  type NodeId as StoredNode,
  type RecordChange,
  type ShardRecord,
  type ShardUid as StoredUid,
} from "@prism/operator/domain/shard-record";
import { HISTORY, idOf, SHARD, type ArenaNode } from "./arena-node.js";
import type { ArenaProfile } from "./arena-profile.js";
import type { SeededRandom } from "./seeded-random.js";

/** A cache is behind by fewer changes than this. */
const STALE_RECORDS = 3;

/** One id has two types: the record's and the copy's. */
export function copyId(id: StoredId): AllocationId {
  return id as string as AllocationId;
}

export class ArenaOperators {
  readonly #random: SeededRandom;
  readonly #profile: ArenaProfile;
  readonly #nodes: readonly ArenaNode[];
  readonly #records: ShardRecord[];
  readonly #owners = new Map<AllocationId, ArenaNode>();
  #allocations = 0;

  constructor(random: SeededRandom, profile: ArenaProfile, nodes: readonly ArenaNode[]) {
    this.#random = random;
    this.#profile = profile;
    this.#nodes = nodes;
    const places = nodes.map((node) => this.#placeOn(node));
    const record = newShardRecord({
      uid: SHARD as string as StoredUid,
      historyId: HISTORY as string as StoredHistory,
      bootstrap: "",
      copies: places,
      nowMs: 0,
    });
    const ids = places.map(({ id }) => id);
    const [inSync, recovering] = [ids.slice(0, profile.inSync), ids.slice(profile.inSync)];
    this.#records = [{ ...record, inSync, recovering }];
  }

  /** The node that an id was made for: messages to an id that it had before still reach it. */
  ownerOf(id: AllocationId): ArenaNode | undefined {
    return this.#owners.get(id);
  }

  get stored(): ShardRecord {
    return this.#records.at(-1)!;
  }

  /** As old as a cache may be; the compare-and-swap is against the newest all the same. */
  stale(): ShardRecord {
    const back = this.#random.chance(0.6) ? 0 : this.#random.below(STALE_RECORDS);
    return this.#records[Math.max(0, this.#records.length - 1 - back)]!;
  }

  #change(read: ShardRecord, change: RecordChange, nowMs: number): void {
    const result = changeRecord(read, change, "CopyAdded", nowMs);
    if (!result.ok || read.version !== this.stored.version) return;
    this.#records.push(result.record);
  }

  decide({ action, allocationId, term }: CopyEffect & { kind: "request" }, nowMs: number): void {
    const read = this.stale();
    const id = allocationId as string as StoredId;
    switch (action) {
      case "addInSync":
        return this.#change(read, { kind: "addInSync", id, term }, nowMs);
      case "removeCopy":
        return this.#change(read, { kind: "removeCopy", id, term }, nowMs);
      case "promote":
        if (read.term === term) this.#change(read, { kind: "promote", target: id, drop: [] }, nowMs);
    }
  }

  promote(nowMs: number): void {
    const read = this.stale();
    const target = this.#random.pick(read.inSync);
    const others = read.inSync.filter((id) => id !== target);
    const isDropping = this.#random.chance(this.#profile.dropRate);
    const drop = isDropping ? (this.#random.chance(0.5) ? [read.primary] : others) : [];
    this.#change(read, { kind: "promote", target, drop }, nowMs);
  }

  promoteIfIdle(nowMs: number): void {
    const { primary, version, inSync } = this.stored;
    const leader = this.#nodes.find((node) => idOf(node) === copyId(primary));
    const view = leader?.copy?.view(nowMs);
    const isServing = view?.role === "primary" || (view !== undefined && view.mapVersion < version);
    const target = inSync.find((id) => this.#nodes.some((node) => idOf(node) === copyId(id)));
    if (!isServing && target !== undefined)
      this.#change(this.stored, { kind: "promote", target, drop: [] }, nowMs);
  }

  remove(nowMs: number): void {
    const read = this.stale();
    const { id } = this.#random.pick(read.copies);
    this.#change(read, { kind: "removeCopy", id, term: read.term }, nowMs);
  }

  /** A person makes one copy the first of a new history, whose id is returned. */
  reset(copy: AllocationId): string | undefined {
    const { stored } = this;
    const place = stored.copies.find(({ id }) => copyId(id) === copy);
    if (place === undefined) return undefined;
    const historyId = `history${stored.version}`;
    const [term, version] = [stored.term + 1, stored.version + 1];
    const sets = { primary: place.id, inSync: [place.id], recovering: [], copies: [place] };
    this.#records.push({ ...stored, ...sets, term, version, historyId: historyId as StoredHistory });
    return historyId;
  }

  removeGone(nowMs: number): void {
    const { copies, term } = this.stored;
    const gone = copies.find((place) => this.#nodes.every((node) => node.name !== (place.node as string)));
    if (gone !== undefined) this.#change(this.stored, { kind: "removeCopy", id: gone.id, term }, nowMs);
  }

  /** A node whose copy is in neither set gets a fresh allocation id. */
  refill(read: ShardRecord, nowMs: number): void {
    const node = this.#nodes.find((one) => read.copies.every((place) => (place.node as string) !== one.name));
    if (node !== undefined) this.#change(read, { kind: "addRecovering", copy: this.#placeOn(node) }, nowMs);
  }

  #placeOn(node: ArenaNode): CopyPlace {
    const id = `a${(this.#allocations += 1)}` as StoredId;
    this.#owners.set(copyId(id), node);
    return { id, node: node.name as StoredNode, zone: node.name };
  }
}
