/** The StatefulSet of a zone: pods are its nodes. */
import type { ClusterSpec, ClusterZone } from "@prism/api/cluster";
import { clusterObjectNames, statefulSetName, zoneSlug } from "@prism/api/object-names";
import { objectLabels, ownedObject, selectorLabels, TEMPLATE_HASH, ZONE_LABEL } from "./owned-object.js";
import type { ClusterOwner, OwnedObject } from "./owned-object.js";
import { DATA_VOLUME, type PodTemplate } from "./pod-template.js";

export interface StatefulSetSource {
  readonly owner: ClusterOwner;
  readonly spec: ClusterSpec;
  readonly zone: ClusterZone;
  readonly replicas: number;
  readonly template: PodTemplate;
}

export function buildStatefulSet({ owner, spec, zone, replicas, template }: StatefulSetSource): OwnedObject {
  const { name: cluster } = owner;
  const hash = template.metadata.annotations[TEMPLATE_HASH] ?? "";
  const type = {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    name: statefulSetName(cluster, zone.name),
    zone: zone.name,
  };
  const object = ownedObject(owner, type, {
    spec: {
      replicas,
      serviceName: clusterObjectNames(cluster).nodesService,
      selector: { matchLabels: zoneSelector(cluster, zone.name) },
      // One by one, nodes that wait for a majority would wait for pods that wait for them.
      podManagementPolicy: "Parallel",
      // Pods are ended by the operator, one at a time and for a reason; or by people.
      updateStrategy: { type: "OnDelete" },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: "Retain", whenScaled: "Retain" },
      template,
      ...(spec.storage.type === "Ephemeral" ? {} : { volumeClaimTemplates: [claim(cluster, spec, zone)] }),
    },
  });
  return { ...object, metadata: { ...object.metadata, annotations: { [TEMPLATE_HASH]: hash } } };
}

/** Of one zone's pods: two StatefulSets with one selector would take each other's pods. */
function zoneSelector(cluster: string, zone: string): Readonly<Record<string, string>> {
  return { ...selectorLabels(cluster), ...(zone === "" ? {} : { [ZONE_LABEL]: zoneSlug(zone) }) };
}

function claim(
  cluster: string,
  { storage }: ClusterSpec,
  zone: ClusterZone,
): Readonly<Record<string, unknown>> {
  const storageClassName = zone.storageClassName === "" ? storage.storageClassName : zone.storageClassName;
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: DATA_VOLUME, labels: objectLabels(cluster, zone.name) },
    spec: {
      accessModes: ["ReadWriteOnce"],
      volumeMode: "Filesystem",
      resources: { requests: { storage: storage.size } },
      // Not said at all, it is the default class; "" would be none.
      ...(storageClassName === "" ? {} : { storageClassName }),
    },
  };
}
