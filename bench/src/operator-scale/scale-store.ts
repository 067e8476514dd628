/** The objects of a cluster of a size, in a store: as after long quiet times. */
import { parseCluster, type PrismCluster } from "@prism/api/cluster";
import { parseCollectionSpec } from "@prism/api/collection";
import { shardName } from "@prism/api/shard";
import type { Store } from "@prism/operator/ports/store";
import { collectionNames, FACTOR, planNodes, planShards, zoneNames, type ScalePlan } from "./scale-plan.js";

export const CLUSTER = "scale";
const WRITES_AT_ONCE = 32;
const REPLICATION = { factor: FACTOR, minReplicasForWrite: 2 };

export function clusterOf(plan: ScalePlan): PrismCluster {
  const zones = zoneNames(plan).map((name) => ({ name }));
  return parseCluster({
    apiVersion: "prism.dev/v1alpha1",
    kind: "PrismCluster",
    metadata: { name: CLUSTER },
    spec: { version: "0.1.0", nodes: plan.nodes, topology: { domain: "Zone", zones } },
  });
}

export async function fillStore(
  store: Store,
  plan: ScalePlan,
  addresses: ReadonlyMap<string, string>,
): Promise<void> {
  const clusterRef = { name: CLUSTER };
  await together(planNodes(plan), async ({ name, nodeId, zone }) => {
    const address = addresses.get(name)!;
    await store.create({
      kind: "PrismNode",
      name,
      spec: { zone, region: "", rack: "", attributes: {} },
      status: { nodeId, bootId: "", peerAddress: address, httpUrl: `http://${address}`, adminUrl: "" },
    });
  });
  const uids = new Map<string, string>();
  await together(collectionNames(plan), async (name) => {
    const shards = Math.min(plan.shardsPerCollection, plan.shards);
    const fields = [{ name: "title", type: "text" }];
    const spec = parseCollectionSpec(
      { shards, replication: REPLICATION, fields },
      { replication: REPLICATION },
      { name },
    );
    const made = await store.create({
      kind: "PrismCollection",
      name,
      spec: { ...spec, clusterRef },
      status: { shardsCreated: false },
    });
    const updated = await store.update({ ...made, status: { ...made.status, shardsCreated: true } });
    uids.set(name, updated.metadata.uid);
  });
  const at = Date.now();
  await together(planShards(plan), async ({ collection, number, copies }) => {
    const ids = copies.map(({ id }) => id);
    await store.create({
      kind: "PrismShard",
      name: shardName(CLUSTER, collection, number),
      spec: {
        clusterRef,
        collection,
        collectionUid: uids.get(collection)!,
        number,
        clusterId: CLUSTER,
        bootstrap: "",
      },
      status: {
        version: 5,
        term: 1,
        historyId: `history-${collection}-${number}`,
        primary: ids[0]!,
        inSync: ids,
        recovering: [],
        copies: copies.map((copy) => ({ ...copy })),
        departed: [],
        lastChange: { reason: "CaughtUp", at },
      },
    });
  });
}

async function together<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items[Symbol.iterator]();
  const lane = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: WRITES_AT_ONCE }, lane));
}
