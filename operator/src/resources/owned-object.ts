/** What all objects have in common that the operator makes for a cluster. */
import { API_VERSION, LABEL_PREFIX } from "@prism/api/api-object";
import { zoneSlug } from "@prism/api/object-names";
import type { KubeObject, OwnerReference } from "@prism/kube-machinery/kube-object";

export const FIELD_MANAGER = "prism-operator";
export const CLUSTER_LABEL = `${LABEL_PREFIX}cluster`;
export const ZONE_LABEL = `${LABEL_PREFIX}zone`;
/** Of a pod template: pods that carry another one were made from another template. */
export const TEMPLATE_HASH = `${LABEL_PREFIX}template-hash`;

/** The cluster that objects are made for. */
export interface ClusterOwner {
  readonly namespace: string;
  readonly name: string;
  /** Of the PrismCluster object. */
  readonly uid: string;
}

/** What the operator makes for clusters; its watches ask for these. */
export const MANAGED_SELECTOR = `app.kubernetes.io/managed-by=prism-operator,${CLUSTER_LABEL}`;

/** Found by these and never changed: a StatefulSet keeps its selector for life. */
export function selectorLabels(cluster: string): Readonly<Record<string, string>> {
  return {
    "app.kubernetes.io/name": "prism",
    "app.kubernetes.io/component": "node",
    [CLUSTER_LABEL]: cluster,
  };
}

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/ */
export function objectLabels(cluster: string, zone = ""): Readonly<Record<string, string>> {
  return {
    ...selectorLabels(cluster),
    "app.kubernetes.io/instance": cluster,
    "app.kubernetes.io/part-of": "prism",
    "app.kubernetes.io/managed-by": "prism-operator",
    ...(zone === "" ? {} : { [ZONE_LABEL]: zoneSlug(zone) }),
  };
}

/** Deleting the cluster deletes what carries this. */
export function ownerReference({ name, uid }: ClusterOwner): OwnerReference {
  return {
    apiVersion: API_VERSION,
    kind: "PrismCluster",
    name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

export interface OwnedObject extends KubeObject {
  readonly [field: string]: unknown;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    /** Makes a write conditional on its being this very object. */
    readonly uid?: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences: readonly OwnerReference[];
  };
}

export function ownedObject(
  owner: ClusterOwner,
  type: { readonly apiVersion: string; readonly kind: string; readonly name: string; readonly zone?: string },
  body: Readonly<Record<string, unknown>>,
): OwnedObject {
  const { apiVersion, kind, name, zone } = type;
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      namespace: owner.namespace,
      labels: objectLabels(owner.name, zone),
      ownerReferences: [ownerReference(owner)],
    },
    ...body,
  };
}
