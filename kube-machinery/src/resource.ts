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
