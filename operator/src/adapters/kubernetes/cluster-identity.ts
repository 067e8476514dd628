/**
 * What must outlive a PrismCluster object, so that one made again under the name finds its data and its nodes
 * follow it: which data this is, the highest epoch of a leader, what was deleted, and what was last accepted of
 * the spec. Kept in a ConfigMap beside the data, without an owner. To the control plane it is the stored
 * PrismCluster; what people read in `status` is a projection that nothing is decided by.
 */
import { isDeepStrictEqual } from "node:util";
import { API_VERSION } from "@prism/api/api-object";
import { clusterObjectNames } from "@prism/api/object-names";
import type { ApiClient } from "@prism/kube-machinery/api-client";
import type { Stored } from "@prism/kube-machinery/kube-object";
import type { ClusterStatus } from "../../domain/objects.js";
import type { ApiObject } from "../../ports/store.js";
import { CONFIG_MAPS, type ConfigMap } from "./prism-resources.js";
import { objectLabels } from "../../resources/owned-object.js";
import { toStoreError } from "./store-errors.js";

type Cluster = ApiObject<"PrismCluster">;

/** Of the stored status: conditions are of the moment and live in the PrismCluster. */
interface Content {
  readonly generation: number;
  readonly spec: Cluster["spec"];
  readonly status: Pick<
    ClusterStatus,
    "clusterId" | "leaderEpoch" | "deletedCollections" | "givenUpHistories"
  >;
}

export class IdentityDamaged extends Error {
  constructor(detail: string) {
    super(detail);
    this.name = "IdentityDamaged";
  }
}

export class ClusterIdentity {
  readonly #client: ApiClient;
  readonly #namespace: string;
  readonly #cluster: string;
  readonly #fieldManager: string;
  /** As this process last read or wrote it. */
  #known: Cluster | undefined;

  constructor(options: { client: ApiClient; namespace: string; cluster: string; fieldManager: string }) {
    this.#client = options.client;
    this.#namespace = options.namespace;
    this.#cluster = options.cluster;
    this.#fieldManager = options.fieldManager;
  }

  get #name(): string {
    return clusterObjectNames(this.#cluster).identity;
  }

  /** @throws {IdentityDamaged} when it is there and can't be read: nothing may be made in its place. */
  async read(): Promise<Cluster | undefined> {
    const name = { namespace: this.#namespace, name: this.#name };
    const object = await this.#client.get<ConfigMap>(CONFIG_MAPS, name);
    return object && this.#toCluster(object);
  }

  /** @throws {StoreError} alreadyExists. */
  async create(spec: Cluster["spec"], status: ClusterStatus): Promise<Cluster> {
    const object = this.#newObject({ generation: 1, spec, status });
    try {
      const made = await this.#client.create(CONFIG_MAPS, object, { fieldManager: this.#fieldManager });
      return this.#toCluster(made);
    } catch (error) {
      throw toStoreError(error);
    }
  }

  /** @throws {StoreError} conflict, notFound. */
  async update(cluster: Cluster): Promise<Cluster> {
    const present = await this.read();
    const { uid, resourceVersion, generation, name } = cluster.metadata;
    const specChanged = present === undefined || !isDeepStrictEqual(present.spec, cluster.spec);
    const object: Stored<ConfigMap> = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: {
        name: this.#name,
        namespace: this.#namespace,
        labels: objectLabels(name),
        uid,
        resourceVersion,
        creationTimestamp: cluster.metadata.creationTimestamp,
      },
      data: dataOf({
        generation: generation + (specChanged ? 1 : 0),
        spec: cluster.spec,
        status: cluster.status,
      }),
    };
    try {
      const written = await this.#client.replace(CONFIG_MAPS, object, { fieldManager: this.#fieldManager });
      return this.#toCluster(written);
    } catch (error) {
      throw toStoreError(error);
    }
  }

  /**
   * For who leads: what somebody did to it is set back to what this process last knew, unless a later leader wrote it.
   * Resolves with what was wrong. @throws {StoreError} conflict.
   */
  async restore(): Promise<string | undefined> {
    const known = this.#known;
    if (known === undefined) return undefined;
    const { spec, status, metadata } = known;
    const wanted = this.#newObject({ generation: metadata.generation, spec, status });
    const at = { namespace: this.#namespace, name: this.#name };
    const present = await this.#client.get<ConfigMap>(CONFIG_MAPS, at);
    const fault = present === undefined ? "missing" : faultOf(present, known);
    if (fault === undefined) return undefined;
    const options = { fieldManager: this.#fieldManager };
    try {
      this.#toCluster(
        present === undefined
          ? await this.#client.create(CONFIG_MAPS, wanted, options)
          : await this.#client.replace(CONFIG_MAPS, { ...present, data: wanted.data ?? {} }, options),
      );
    } catch (error) {
      throw toStoreError(error);
    }
    return fault;
  }

  #newObject(content: Content): ConfigMap {
    return {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: this.#name, namespace: this.#namespace, labels: objectLabels(this.#cluster) },
      data: dataOf(content),
    };
  }

  #toCluster(object: Stored<ConfigMap>): Cluster {
    this.#known = this.#parse(object);
    return this.#known;
  }

  #parse(object: Stored<ConfigMap>): Cluster {
    const { uid, resourceVersion, creationTimestamp } = object.metadata;
    const { generation, spec, status } = contentOf(object);
    return {
      apiVersion: API_VERSION,
      kind: "PrismCluster",
      metadata: {
        name: this.#cluster,
        uid,
        resourceVersion,
        generation,
        labels: {},
        creationTimestamp,
      },
      spec,
      status: { ...status, observedGeneration: generation, conditions: [] },
    };
  }
}

/** What somebody else than a leader has made of it. */
function faultOf(present: ConfigMap, { status }: Cluster): string | undefined {
  try {
    const { clusterId, leaderEpoch } = contentOf(present).status;
    if (clusterId !== status.clusterId) return `it named the data ${clusterId}`;
    return leaderEpoch < status.leaderEpoch ? `it was of the epoch ${leaderEpoch}` : undefined;
  } catch (error) {
    if (!(error instanceof IdentityDamaged)) throw error;
    return "damaged";
  }
}

function dataOf({ generation, spec, status }: Content): Record<string, string> {
  const { clusterId, leaderEpoch, deletedCollections, givenUpHistories = [] } = status;
  return {
    clusterId,
    leaderEpoch: String(leaderEpoch),
    generation: String(generation),
    "spec.json": JSON.stringify(spec),
    "deleted-collections.json": JSON.stringify(deletedCollections),
    "given-up-histories.json": JSON.stringify(givenUpHistories),
  };
}

function contentOf({ metadata, data = {} }: ConfigMap): Content {
  const { clusterId = "", leaderEpoch = "", generation = "" } = data;
  const isWhole = clusterId !== "" && /^\d+$/.test(leaderEpoch) && /^\d+$/.test(generation);
  if (!isWhole) throw damaged(metadata.name, "clusterId, leaderEpoch or generation is missing");
  try {
    const spec = JSON.parse(data["spec.json"] ?? "") as Content["spec"];
    const deletedCollections = JSON.parse(data["deleted-collections.json"] ?? "[]") as never;
    const givenUpHistories = JSON.parse(data["given-up-histories.json"] ?? "[]") as never;
    const status = { clusterId, leaderEpoch: Number(leaderEpoch), deletedCollections, givenUpHistories };
    return { generation: Number(generation), spec, status };
  } catch (error) {
    throw damaged(metadata.name, String(error));
  }
}

function damaged(name: string, why: string): IdentityDamaged {
  return new IdentityDamaged(
    `ConfigMap ${name} is damaged: ${why}; restore it from a backup, or delete it to have it made anew ` +
      "from the cluster's records",
  );
}
