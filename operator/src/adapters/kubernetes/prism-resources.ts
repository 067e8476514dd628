/** The kinds of Prism as the API server has them, and what their objects look like there. */
import { API_GROUP, API_GROUP_VERSION, API_KINDS, type ApiKind } from "@prism/api/api-object";
import type { KubeObject } from "@prism/kube-machinery/kube-object";
import type { Resource } from "@prism/kube-machinery/resource";
import { CLUSTER_LABEL } from "../../resources/owned-object.js";

function prismResource(kind: ApiKind): Resource {
  const { plural } = API_KINDS[kind];
  return { group: API_GROUP, version: API_GROUP_VERSION, kind, plural, namespaced: true };
}

export const PRISM_CLUSTERS = prismResource("PrismCluster");
export const PRISM_COLLECTIONS = prismResource("PrismCollection");
export const PRISM_SHARDS = prismResource("PrismShard");
export const PRISM_NODES = prismResource("PrismNode");

export const CONFIG_MAPS: Resource = {
  group: "",
  version: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  namespaced: true,
};
export const SECRETS: Resource = {
  group: "",
  version: "v1",
  kind: "Secret",
  plural: "secrets",
  namespaced: true,
};

/** As read: nothing of it has been checked. */
export interface RawObject extends KubeObject {
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>>;
}

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** The cluster that an object names; of one whose spec is damaged, what its label says. */
export function clusterOf(object: RawObject): string | undefined {
  const reference = object.spec?.["clusterRef"];
  const name =
    typeof reference === "object" && reference !== null ? (reference as { name?: unknown }).name : "";
  return typeof name === "string" && name !== "" ? name : object.metadata.labels?.[CLUSTER_LABEL];
}
