/** The copies of each shard as nodes report them: every pass of a shard asks for its own, and there are many nodes. */
import type { ObservedCopy } from "../domain/shard-observation.js";

type CopiesOfNode = ReadonlyMap<string, ObservedCopy>;

export class CopyIndex {
  /** By the shard's uid, then by the node's name. */
  readonly #copies = new Map<string, Map<string, ObservedCopy>>();

  of(shardUid: string): readonly ObservedCopy[] {
    return [...(this.#copies.get(shardUid)?.values() ?? [])];
  }

  /** What the node reports takes the place of what it reported before. */
  replace(node: string, before: CopiesOfNode, after: CopiesOfNode): void {
    for (const shardUid of before.keys()) {
      if (after.has(shardUid)) continue;
      const copies = this.#copies.get(shardUid);
      copies?.delete(node);
      if (copies?.size === 0) this.#copies.delete(shardUid);
    }
    for (const [shardUid, copy] of after) {
      const copies = this.#copies.get(shardUid);
      if (copies === undefined) this.#copies.set(shardUid, new Map([[node, copy]]));
      else copies.set(node, copy);
    }
  }
}
