import type { ObjectName } from "./kube-object.js";

/** A kind of object as the API server knows it: where its paths begin and what its objects are called. */
export interface Resource {
  /** "" for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** The word in paths. */
  readonly plural: string;
  readonly namespaced: boolean;
}

/** `apiVersion` of the resource's objects. */
export function apiVersionOf({ group, version }: Resource): string {
  return group === "" ? version : `${group}/${version}`;
}

/** Where all objects of the resource are listed: of one namespace, or of all when none is named. */
export function collectionPath(resource: Resource, namespace?: string): string {
  const root =
    resource.group === "" ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const scope = namespace === undefined || namespace === "" ? "" : `/namespaces/${segment(namespace)}`;
  if (scope !== "" && !resource.namespaced) throw new TypeError(`${resource.kind} has no namespaces`);
  return `${root}${scope}/${resource.plural}`;
}

export type Subresource = "status" | "scale" | "eviction";

/** Where one object is. Throws TypeError when a namespaced kind's object comes without its namespace. */
export function objectPath(resource: Resource, object: ObjectName, subresource?: Subresource): string {
  if (resource.namespaced && !object.namespace)
    throw new TypeError(`${resource.kind} ${object.name} needs a namespace`);
  const path = `${collectionPath(resource, object.namespace)}/${segment(object.name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}

/** A name that holds a slash or is empty would be another path, and a write would reach another object. */
function segment(name: string): string {
  if (name === "" || name === "." || name === ".." || name.includes("/"))
    throw new TypeError(`${JSON.stringify(name)} is no object name`);
  return encodeURIComponent(name);
}
