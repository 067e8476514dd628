/** Which shards a node carries and how much that is, kept up with every change of a record. */
import type { NodeLoad } from "../domain/shard-observation.js";
import type { NodeId } from "../domain/shard-record.js";
import type { ApiObject, ObjectChange } from "../ports/store.js";
import { shardUidOf } from "../reconcile/shard-object.js";

interface Entry {
  readonly shards: Set<string>;
  copies: number;
  primaries: number;
}

type Shard = ApiObject<"PrismShard">;

const NO_LOAD: NodeLoad = { copies: 0, primaries: 0 };

export class ShardIndex {
  readonly #nodes = new Map<string, Entry>();
  readonly #names = new Map<string, string>();
  readonly #present = new Map<string, Shard>();

  take(change: ObjectChange<"PrismShard">): void {
    const { name } = change.object.metadata;
    const before = this.#present.get(name);
    if (before) {
      this.#count(before, -1);
      this.#present.delete(name);
      this.#names.delete(shardUidOf(before));
    }
    if (change.type === "deleted") return;
    this.#present.set(name, change.object);
    this.#names.set(shardUidOf(change.object), name);
    this.#count(change.object, 1);
  }

  nameOf(uid: string): string | undefined {
    return this.#names.get(uid);
  }

  loadOf(node: NodeId): NodeLoad {
    return this.#nodes.get(node) ?? NO_LOAD;
  }

  shardsOn(node: string): ReadonlySet<string> {
    return this.#nodes.get(node)?.shards ?? new Set();
  }

  #count(shard: Shard, by: 1 | -1): void {
    const { copies, primary } = shard.status;
    for (const copy of copies) {
      const entry = this.#entry(copy.node);
      entry.copies += by;
      if (copy.id === primary) entry.primaries += by;
      if (by > 0) entry.shards.add(shard.metadata.name);
      else entry.shards.delete(shard.metadata.name);
    }
  }

  #entry(node: string): Entry {
    let entry = this.#nodes.get(node);
    if (!entry) this.#nodes.set(node, (entry = { shards: new Set(), copies: 0, primaries: 0 }));
    return entry;
  }
}
