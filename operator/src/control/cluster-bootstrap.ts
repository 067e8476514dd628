/** The objects a control plane needs before it can lead: the cluster with its epoch, and its nodes. */
import { randomUUID } from "node:crypto";
import type { PrismCluster } from "@prism/api/cluster";
import type { ClusterStatus } from "../domain/objects.js";
import type { ApiObject, Store } from "../ports/store.js";

/** The file asks for something that an existing cluster can't become. */
export class ClusterConflict extends Error {
  constructor(detail: string) {
    super(detail);
    this.name = "ClusterConflict";
  }
}

/**
 * Stores the cluster as wanted and takes the next leader epoch.
 * @throws {ClusterConflict} when an immutable field differs.
 */
export async function takeLead(store: Store, wanted: PrismCluster): Promise<ApiObject<"PrismCluster">> {
  const { name } = wanted.metadata;
  const present = await store.get("PrismCluster", name);
  if (!present) {
    const others = await store.list("PrismCluster");
    const [other] = others.items;
    if (other)
      throw new ClusterConflict(`this data belongs to cluster ${other.metadata.name}, not to ${name}`);
    return store.create({
      kind: "PrismCluster",
      name,
      spec: wanted.spec,
      status: {
        clusterId: randomUUID(),
        leaderEpoch: 1,
        observedGeneration: 1,
        conditions: [],
        deletedCollections: [],
      },
    });
  }
  if (present.spec.mode !== wanted.spec.mode) {
    throw new ClusterConflict(`spec.mode is ${present.spec.mode} and can't become ${wanted.spec.mode}`);
  }
  if (wanted.spec.nodes < present.spec.nodes) {
    const detail = `spec.nodes is ${present.spec.nodes} and can't shrink to ${wanted.spec.nodes} yet`;
    throw new ClusterConflict(detail);
  }
  // A store of before these were kept has none.
  const { conditions = [], deletedCollections = [] } = present.status as Partial<ClusterStatus>;
  const status = {
    ...present.status,
    leaderEpoch: present.status.leaderEpoch + 1,
    conditions,
    deletedCollections,
  };
  return store.update({ ...present, spec: wanted.spec, status });
}

/**
 * Makes the missing node objects, spread over the zones in turn. A node keeps the zone it was made in:
 * its data lies there.
 */
export async function ensureNodes(store: Store, cluster: PrismCluster): Promise<readonly string[]> {
  const { zones } = cluster.spec.topology;
  const names: string[] = [];
  for (let index = 0; index < cluster.spec.nodes; index += 1) {
    const zone = zones[index % zones.length];
    if (!zone) throw new Error("a cluster without zones");
    const name = `node-${zone.name}-${Math.floor(index / zones.length)}`;
    names.push(name);
    if (await store.get("PrismNode", name)) continue;
    await store.create({
      kind: "PrismNode",
      name,
      spec: { zone: zone.name, region: zone.region, rack: zone.rack, attributes: zone.attributes },
      status: { nodeId: "", bootId: "", peerAddress: "", httpUrl: "", adminUrl: "" },
    });
  }
  return names;
}
