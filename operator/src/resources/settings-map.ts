import { clusterObjectNames } from "@prism/api/object-names";
import { ownedObject, type ClusterOwner, type OwnedObject } from "./owned-object.js";

/** The files of settings that pods of the cluster were made with, by key. */
export function buildSettingsMap(owner: ClusterOwner, files: Readonly<Record<string, string>>): OwnedObject {
  const { settings } = clusterObjectNames(owner.name);
  return ownedObject(owner, { apiVersion: "v1", kind: "ConfigMap", name: settings }, { data: files });
}
