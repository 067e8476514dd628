/** Between objects as the API server has them and as the Store of one cluster shows them. */
import { API_VERSION } from "@prism/api/api-object";
import { parseCollectionSpec, type CollectionSpec } from "@prism/api/collection";
import { collectionObjectName, shardObjectName } from "@prism/api/object-names";
import { shardName, shardSpecSchema, type ShardSpec } from "@prism/api/shard";
import type { Stored } from "@prism/kube-machinery/kube-object";
import { HTTP_MANAGER, MANAGED_BY } from "../../domain/collection-change.js";
import type { NodeSpec, NodeStatus } from "../../domain/objects.js";
import type { ApiObject, NewObject, ObjectMetadata } from "../../ports/store.js";
import { objectLabels } from "../../resources/owned-object.js";
import type { RawObject } from "./prism-resources.js";

/** What a PrismCollection's status holds for the operator itself. */
export interface Accepted {
  readonly spec: CollectionSpec;
  /** Of the object when this was accepted. */
  readonly generation: number;
}

/** That the object asks for. */
export function collectionNameOf({ metadata, spec }: RawObject): string {
  const stated = spec?.["name"];
  return typeof stated === "string" ? stated : metadata.name;
}

/** Undefined: nothing of the object has been accepted. */
export function acceptedOf(object: RawObject): Accepted | undefined {
  const { acceptedSpec, acceptedGeneration } = object.status ?? {};
  if (typeof acceptedSpec !== "string" || typeof acceptedGeneration !== "number") return undefined;
  const spec = JSON.parse(acceptedSpec) as CollectionSpec;
  return { spec: parseCollectionSpec(spec, spec), generation: acceptedGeneration };
}

export function withAccepted(
  status: RawObject["status"],
  accepted: Accepted,
): NonNullable<RawObject["status"]> {
  const { spec, generation } = accepted;
  return { ...status, name: spec.name, acceptedSpec: JSON.stringify(spec), acceptedGeneration: generation };
}

/** Undefined while nothing of it is accepted. */
export function toCollection(
  object: Stored<RawObject>,
  cluster: string,
): ApiObject<"PrismCollection"> | undefined {
  const accepted = acceptedOf(object);
  if (!accepted) return undefined;
  const { spec, generation } = accepted;
  return {
    apiVersion: API_VERSION,
    kind: "PrismCollection",
    metadata: {
      ...metadataOf(object, spec.name),
      generation,
      labels: { ...foreignLabels(object), [MANAGED_BY]: managerOf(object) },
    },
    spec: { ...spec, clusterRef: { name: cluster } },
    status: { shardsCreated: object.status?.["shardsCreated"] === true },
  };
}

/** Who says what the collection is: whoever owns fields of its spec, HTTP only when nobody else does. */
function managerOf({ metadata }: Stored<RawObject>): string {
  const managers = (metadata.managedFields ?? [])
    .filter((entry) => (entry.subresource ?? "") === "" && Object.hasOwn(entry.fieldsV1 ?? {}, "f:spec"))
    .map((entry) => entry.manager);
  return managers.find((manager) => manager !== HTTP_MANAGER) ?? managers[0] ?? "unknown";
}

/**
 * `known` is the object as it was before. A spec that does not parse says neither whose record this is nor of
 * what: what was known stays, with no status, which makes the record an unknown one.
 */
export function toShard(
  object: Stored<RawObject>,
  cluster: string,
  known: ApiObject<"PrismShard"> | undefined,
): ApiObject<"PrismShard"> {
  const spec = shardSpecSchema.safeParse(object.spec);
  const status = (spec.success ? (object.status ?? {}) : {}) as ApiObject<"PrismShard">["status"];
  const shownSpec: ShardSpec = spec.data ?? known?.spec ?? unknownShard(cluster);
  const name = spec.success
    ? shardName(cluster, spec.data.collection, spec.data.number)
    : (known?.metadata.name ?? object.metadata.name);
  return {
    apiVersion: API_VERSION,
    kind: "PrismShard",
    metadata: metadataOf(object, name),
    spec: shownSpec,
    status,
  };
}

/** Undefined: there is nothing that could be acted upon. */
export function versionOfRecord(object: RawObject): number | undefined {
  const version = object.status?.["version"];
  return shardSpecSchema.safeParse(object.spec).success && typeof version === "number" ? version : undefined;
}

/** What stands in the shard's place says nothing that may be believed. */
export function withoutRecord(shard: ApiObject<"PrismShard">): ApiObject<"PrismShard"> {
  return { ...shard, status: {} as ApiObject<"PrismShard">["status"] };
}

function unknownShard(cluster: string): ShardSpec {
  return {
    clusterRef: { name: cluster },
    collection: "?",
    collectionUid: "?",
    number: 0,
    clusterId: "?",
    bootstrap: "",
  };
}

export function toNode(object: Stored<RawObject>): ApiObject<"PrismNode"> {
  const { clusterRef: _, ...spec } = object.spec ?? {};
  const emptySpec: NodeSpec = { zone: "", region: "", rack: "", attributes: {} };
  const emptyStatus: NodeStatus = { nodeId: "", bootId: "", peerAddress: "", httpUrl: "", adminUrl: "" };
  return {
    apiVersion: API_VERSION,
    kind: "PrismNode",
    metadata: metadataOf(object, object.metadata.name),
    spec: { ...emptySpec, ...spec },
    status: { ...emptyStatus, ...object.status },
  };
}

function metadataOf(object: Stored<RawObject>, name: string): ObjectMetadata {
  const { uid, resourceVersion, generation = 1, creationTimestamp } = object.metadata;
  return { name, uid, resourceVersion, generation, labels: foreignLabels(object), creationTimestamp };
}

/** Those that this adapter did not put there itself. */
function foreignLabels({ metadata }: Stored<RawObject>): Readonly<Record<string, string>> {
  const own = objectLabels("");
  return Object.fromEntries(
    Object.entries(metadata.labels ?? {}).filter(([key]) => !Object.hasOwn(own, key)),
  );
}

export type RecordKind = "PrismCollection" | "PrismShard" | "PrismNode";

/** A new object as it goes to the API server. */
export function toRaw<K extends RecordKind>(
  object: NewObject<K>,
  namespace: string,
  cluster: string,
): RawObject {
  const { [MANAGED_BY]: _, ...labels } = object.labels ?? {};
  return {
    apiVersion: API_VERSION,
    kind: object.kind,
    metadata: {
      name: rawName(object, cluster),
      namespace,
      labels: { ...labels, ...objectLabels(cluster) },
    },
    spec: { ...object.spec, clusterRef: { name: cluster } },
    // A record without a status is unknown; one with an empty status is none that the API server takes.
    ...(object.kind === "PrismCollection" || object.status === undefined
      ? {}
      : { status: { ...object.status } }),
  };
}

function rawName(object: NewObject<RecordKind>, cluster: string): string {
  switch (object.kind) {
    case "PrismCollection":
      return collectionObjectName(cluster, object.name);
    case "PrismShard": {
      const { collection, number } = object.spec as ShardSpec;
      return shardObjectName(cluster, collection, number);
    }
    case "PrismNode":
      return object.name;
  }
}
