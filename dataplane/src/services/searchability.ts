/**
 * Waits until every in-sync copy shows what was written: an acknowledgement alone means that all of them
 * have it on disk, and that the primary shows it.
 */
import type { Searchable } from "@prism/api/document";
import { ReadLevelKind, ShardCall } from "@prism/proto/frame-kind";
import { FetchRequest } from "@prism/proto/gen/node";
import type { NodeId, ShardMap } from "../domain/cluster-map.js";
import type { CancelSignal } from "./cancellation.js";
import type { ClusterDirectory, CollectionEntry } from "./cluster-directory.js";
import type { Deadline } from "./deadline.js";
import type { SeenShard } from "./read-level.js";
import type { ShardCalls } from "./shard-calls.js";

export class Searchability {
  readonly #calls: ShardCalls;
  readonly #directory: ClusterDirectory;

  constructor(calls: ShardCalls, directory: ClusterDirectory) {
    this.#calls = calls;
    this.#directory = directory;
  }

  /** Never rejects: the writes stand whatever is found out here. */
  async of(
    collection: CollectionEntry,
    written: readonly SeenShard[],
    options: { readonly deadline: Deadline; readonly signal?: CancelSignal | undefined },
  ): Promise<Searchable> {
    const missing = (
      await Promise.all(written.map((one) => this.#missingOf(collection, one, options)))
    ).flat();
    return missing.length === 0 ? { met: true } : { met: false, detail: missing.slice(0, 5).join("; ") };
  }

  async #missingOf(
    collection: CollectionEntry,
    { shard: number, historyId, seq }: SeenShard,
    options: { readonly deadline: Deadline; readonly signal?: CancelSignal | undefined },
  ): Promise<string[]> {
    const shard = this.#directory.shard(collection, number);
    if (shard === undefined) return [`shard ${number} has no record`];
    const read = { minimumSeq: seq, historyId, kind: ReadLevelKind.applied, maxStalenessMs: 0 };
    const payload = FetchRequest.encode({ ids: [], include: [], hasInclude: true, read });
    const asked = nodesOf(shard).map(async (node) => {
      const timeoutMs = Math.max(1, Math.ceil(options.deadline.leftMs));
      const signal = options.signal === undefined ? {} : { signal: options.signal };
      try {
        await this.#calls.call({ node, shard: shard.uid }, ShardCall.fetch, payload, {
          timeoutMs,
          ...signal,
        });
        return [];
      } catch (error) {
        return this.#isInSync(collection, number, node)
          ? [`shard ${number} on ${node}: ${(error as Error).message}`]
          : [];
      }
    });
    return (await Promise.all(asked)).flat();
  }

  /** A copy that left the set meanwhile is not asked for searches. */
  #isInSync(collection: CollectionEntry, number: number, node: NodeId): boolean {
    const shard = this.#directory.shard(collection, number);
    return shard !== undefined && nodesOf(shard).includes(node);
  }
}

function nodesOf(shard: ShardMap): NodeId[] {
  return shard.copies.filter(({ id }) => shard.inSync.includes(id)).map(({ node }) => node);
}
