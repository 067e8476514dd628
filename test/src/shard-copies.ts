/**
 * Every copy of every shard, each read from the copy itself: this asks the nodes on their internal
 * port, as a peer, where a call goes to the copy on that node and nowhere else.
 */
import { createHash, randomUUID } from "node:crypto";
import { PeerLink, type PeerLinkSettings } from "@prism/dataplane/adapters/grpc/peer-link";
import type { ClusterMap, MapNode, ShardMap } from "@prism/dataplane/domain/cluster-map";
import { ShardCall } from "@prism/proto/frame-kind";
import { ScanRequest, ScanResponse, type Document } from "@prism/proto/gen/node";
import { PLAIN } from "@prism/proto/internal-credentials";
import { valueOf, type FoundDocument } from "./history.js";
import { waitUntil } from "./wait-until.js";

export interface ShardCopyContent {
  readonly shard: string;
  readonly node: string;
  readonly allocationId: string;
  readonly documents: ReadonlyMap<string, FoundDocument>;
  /** Of ids, versions and stored bytes, in the order of the ids. */
  readonly digest: string;
}

const PAGE = 1000;
const CALL = { timeoutMs: 10_000 };
const SILENT = Object.fromEntries(
  ["trace", "debug", "info", "warn", "error", "fatal"].map((level) => [level, () => undefined]),
) as unknown as PeerLinkSettings["logger"];

export class ShardCopies {
  readonly copies: readonly ShardCopyContent[];

  private constructor(copies: readonly ShardCopyContent[]) {
    this.copies = copies;
  }

  /** @param adminUrls of the nodes; the newest map that any of them has says which copies there are. */
  static async read(adminUrls: readonly string[]): Promise<ShardCopies> {
    const map = await newestMap(adminUrls);
    const reader = new CopyPeer(map);
    try {
      const copies: ShardCopyContent[] = [];
      for (const shard of map.shards) {
        for (const copy of shard.copies) {
          if (shard.inSync.includes(copy.id)) copies.push(await reader.read(shard, copy.node, copy.id));
        }
      }
      return new ShardCopies(copies);
    } finally {
      reader.close();
    }
  }

  /** Shards whose copies differ, with the first ids in which they do; empty when all copies are equal. */
  differences(): string[] {
    const shards = [...new Set(this.copies.map((copy) => copy.shard))];
    return shards.flatMap((shard) => {
      const [first, ...others] = this.copies.filter((copy) => copy.shard === shard);
      return others
        .filter((other) => other.digest !== first!.digest)
        .map(
          (other) => `${shard}: ${first!.node} and ${other.node} differ in ${differingIds(first!, other)}`,
        );
    });
  }

  /** The documents of each node's copies together: what a cluster of that node alone would hold. */
  byCopyOf(node: string): Map<string, FoundDocument> {
    const documents = new Map<string, FoundDocument>();
    for (const copy of this.copies) {
      if (copy.node === node) for (const [id, document] of copy.documents) documents.set(id, document);
    }
    return documents;
  }

  /** All documents, of one copy per shard. */
  documents(): Map<string, FoundDocument> {
    const seen = new Set<string>();
    const documents = new Map<string, FoundDocument>();
    for (const copy of this.copies) {
      if (seen.has(copy.shard)) continue;
      seen.add(copy.shard);
      for (const [id, document] of copy.documents) documents.set(id, document);
    }
    return documents;
  }
}

function differingIds(a: ShardCopyContent, b: ShardCopyContent): string {
  const ids = [...new Set([...a.documents.keys(), ...b.documents.keys()])];
  const text = (found: FoundDocument | undefined): string =>
    found === undefined ? "absent" : `${found.value}@${found.version}`;
  const differing = ids.filter((id) => text(a.documents.get(id)) !== text(b.documents.get(id)));
  const shown = differing
    .slice(0, 5)
    .map((id) => `${id}: ${text(a.documents.get(id))} and ${text(b.documents.get(id))}`);
  return differing.length === 0
    ? "other bytes of equal versions"
    : `${differing.length} ids, ${shown.join(", ")}`;
}

async function newestMap(adminUrls: readonly string[]): Promise<ClusterMap> {
  const maps = await Promise.all(
    adminUrls.map(async (url) => {
      const response = await fetch(`${url}/debug`);
      return ((await response.json()) as { readonly map?: ClusterMap }).map;
    }),
  );
  const [newest] = maps.filter((map) => map !== undefined).sort((a, b) => b.revision - a.revision);
  if (newest === undefined) throw new Error("no node has a map");
  return newest;
}

class CopyPeer {
  readonly #map: ClusterMap;
  readonly #links = new Map<string, PeerLink>();
  readonly #self: PeerLinkSettings["self"];

  constructor(map: ClusterMap) {
    this.#map = map;
    this.#self = { clusterId: map.clusterId, nodeId: `reader-${randomUUID()}`, bootId: randomUUID() };
  }

  async read(shard: ShardMap, nodeId: string, allocationId: string): Promise<ShardCopyContent> {
    const node = this.#map.nodes.find(({ id }) => id === nodeId);
    if (node === undefined) throw new Error(`node ${nodeId} is not in the map`);
    const link = await this.#linkTo(node);
    const documents = new Map<string, FoundDocument>();
    const digest = createHash("sha256");
    for (let after = ""; ;) {
      const request = ScanRequest.encode({ after, limit: PAGE, include: ["*"], hasInclude: true });
      const answer = ScanResponse.decode(await link.call(shard.uid, ShardCall.scan, request, CALL));
      for (const document of answer.documents) {
        documents.set(document.id, toFound(document));
        digest.update(`${document.id}\0${document.term}.${document.seq}\0`).update(document.fields);
      }
      if (answer.documents.length < PAGE) break;
      after = answer.documents.at(-1)!.id;
    }
    const collection = this.#map.collections.find(({ uid }) => uid === shard.collectionUid);
    const name = `${collection?.name ?? shard.collectionUid}/${shard.number}`;
    return { shard: name, node: node.name, allocationId, documents, digest: digest.digest("hex") };
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
  }

  async #linkTo(node: MapNode): Promise<PeerLink> {
    const present = this.#links.get(node.id);
    if (present !== undefined) return present;
    const link = new PeerLink({
      self: this.#self,
      peerNodeId: node.id,
      address: node.peerAddress,
      credentials: PLAIN,
      onConnectionChange: () => undefined,
      logger: SILENT,
      random: Math.random,
    });
    this.#links.set(node.id, link);
    await waitUntil(`a connection to ${node.name}`, 10_000, () => link.isConnected);
    return link;
  }
}

function toFound({ fields, term, seq }: Document): FoundDocument {
  const parsed = JSON.parse(Buffer.from(fields).toString("utf8")) as Record<string, unknown>;
  return { value: valueOf(parsed), version: `${term}.${seq}` };
}
