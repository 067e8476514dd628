/** The fields of a page of hits, from the copies that found them. */
import type { ShardFailure } from "@prism/api/search";
import { ShardCall } from "@prism/proto/frame-kind";
import { FetchRequest, FetchResponse, type Document, type ReadLevel } from "@prism/proto/gen/node";
import type { NodeId } from "../domain/cluster-map.js";
import type { FusedHit } from "../domain/fusion.js";
import type { CollectionEntry } from "./cluster-directory.js";
import { toShardFailure, type CopyReader, type ReadOptions } from "./copy-reader.js";

export interface PageHit extends FusedHit {
  /** The document's fields as JSON; undefined when none were asked for. */
  readonly fieldsJson: string | undefined;
}

/** Who ranked a shard's hits, and how far the copy was that did. */
export interface RankedShard {
  readonly node: NodeId;
  readonly read: ReadLevel | undefined;
}

export interface FetchedPage {
  /** In the page's order, without documents deleted meanwhile and those of failed shards. */
  readonly hits: readonly PageHit[];
  readonly failures: readonly ShardFailure[];
}

const utf8 = new TextDecoder();

export class HitFetcher {
  readonly #reader: CopyReader;

  constructor(reader: CopyReader) {
    this.#reader = reader;
  }

  async fetch(
    collection: CollectionEntry,
    page: readonly FusedHit[],
    shards: ReadonlyMap<number, RankedShard>,
    include: readonly string[] | undefined,
    options: Pick<ReadOptions, "deadline" | "signal">,
  ): Promise<FetchedPage> {
    if (include !== undefined && include.length === 0) {
      return { hits: page.map((hit) => ({ ...hit, fieldsJson: undefined })), failures: [] };
    }
    const byShard = new Map<number, string[]>();
    for (const hit of page) {
      const ids = byShard.get(hit.shard);
      if (ids === undefined) byShard.set(hit.shard, [hit.id]);
      else ids.push(hit.id);
    }
    const failures: ShardFailure[] = [];
    const fields = new Map<number, Map<string, string>>();
    await Promise.all(
      Array.from(byShard, async ([number, ids]) => {
        const ranked = shards.get(number);
        const request = {
          ids,
          include: [...(include ?? [])],
          hasInclude: include !== undefined,
          ...(ranked?.read === undefined ? {} : { read: ranked.read }),
        };
        const target = { collection, number };
        try {
          const answer = await this.#reader.read(target, ShardCall.fetch, FetchRequest.encode(request), {
            ...options,
            preferred: ranked?.node,
          });
          fields.set(number, fieldsById(FetchResponse.decode(answer.payload).documents));
        } catch (error) {
          failures.push(toShardFailure(number, error));
        }
      }),
    );
    const hits = page.flatMap((hit): PageHit[] => {
      const fieldsJson = fields.get(hit.shard)?.get(hit.id);
      return fieldsJson === undefined ? [] : [{ ...hit, fieldsJson }];
    });
    return { hits, failures };
  }
}

/** The page with the fields of documents that came with the hits; one that is missing drops its hit. */
export function withFields(page: readonly FusedHit[], documents: readonly Document[]): PageHit[] {
  const fields = fieldsById(documents);
  return page.flatMap((hit) => {
    const fieldsJson = fields.get(hit.id);
    return fieldsJson === undefined ? [] : [{ ...hit, fieldsJson }];
  });
}

function fieldsById(documents: readonly Document[]): Map<string, string> {
  return new Map(documents.map((one) => [one.id, utf8.decode(one.fields)]));
}
