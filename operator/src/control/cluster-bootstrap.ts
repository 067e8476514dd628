/** The objects a control plane needs before it can lead: the cluster with its epoch, and its nodes. */
import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { ClusterSettings, PrismCluster } from "@prism/api/cluster";
import { changeRefusal } from "../domain/cluster-change.js";
import { localNodeName, nodePlaces, type ZoneSettings } from "../domain/node-place.js";
import type { ClusterStatus } from "../domain/objects.js";
import { StoreError, type ApiObject, type Store } from "../ports/store.js";

/** The file asks for something that an existing cluster can't become. */
export class ClusterConflict extends Error {
  constructor(detail: string) {
    super(detail);
    this.name = "ClusterConflict";
  }
}

type NameOf = (zone: ZoneSettings, ordinal: number) => string;

/**
 * Stores the cluster as wanted and takes the next leader epoch.
 * @throws {ClusterConflict} when it can't become what is wanted.
 */
export async function takeLead(
  store: Store,
  wanted: PrismCluster,
  nameOf: NameOf = localNodeName,
): Promise<ApiObject<"PrismCluster">> {
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
  const refusal = changeRefusal(present.spec, wanted.spec, nameOf);
  if (refusal !== undefined) throw new ClusterConflict(refusal);
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

/** Stores what the cluster is to be from now on. @throws {ClusterConflict} */
export async function storeSettings(
  store: Store,
  name: string,
  wanted: ClusterSettings,
  nameOf: NameOf,
): Promise<ApiObject<"PrismCluster">> {
  for (;;) {
    const present = await store.get("PrismCluster", name);
    if (!present) throw new ClusterConflict(`cluster ${name} is not in the store`);
    const refusal = changeRefusal(present.spec, wanted, nameOf);
    if (refusal !== undefined) throw new ClusterConflict(refusal);
    if (isDeepStrictEqual(present.spec, wanted)) return present;
    try {
      return await store.update({ ...present, spec: wanted });
    } catch (error) {
      if (!(error instanceof StoreError) || error.failure !== "conflict") throw error;
    }
  }
}

/** Makes the missing node objects. A node keeps the zone it was made in: its data lies there. */
export async function ensureNodes(
  store: Store,
  settings: ClusterSettings,
  nameOf: NameOf = localNodeName,
): Promise<readonly string[]> {
  const names: string[] = [];
  const { items } = await store.list("PrismNode");
  const present = new Set(items.map(({ metadata }) => metadata.name));
  for (const { name, zone } of nodePlaces(settings, nameOf)) {
    names.push(name);
    if (present.has(name)) continue;
    await store.create({
      kind: "PrismNode",
      name,
      spec: { zone: zone.name, region: zone.region, rack: zone.rack, attributes: zone.attributes },
      status: { nodeId: "", bootId: "", peerAddress: "", httpUrl: "", adminUrl: "" },
    });
  }
  return names;
}
