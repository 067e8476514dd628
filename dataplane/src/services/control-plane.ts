/** What the rest of a node asks of the control plane, which dials the node and may be away. */

/** The last two are of a shard, named "<collection>/<number>". */
export type CollectionAction = "create" | "patch" | "delete" | "describeDataLoss" | "acceptDataLoss";

export const COLLECTION_RESULTS = [
  "created",
  "unchanged",
  "updated",
  "deleted",
  "described",
  "accepted",
] as const;

export interface CollectionOutcome {
  readonly result: (typeof COLLECTION_RESULTS)[number];
  /** As plain JSON: the whole PrismCollection spec after the change, or what is asked of a shard; undefined after a delete. */
  readonly spec: unknown;
}

export interface ControlPlane {
  /**
   * Makes, changes or deletes a collection object. `spec` is plain JSON: the spec (create), the
   * merge patch (patch), ignored (delete). Rejects with Problem: `controlPlaneUnavailable` when no
   * control plane is connected, `outcomeUnknown` when it went away before it answered or timeoutMs
   * passed, otherwise what it answered.
   */
  requestCollection(
    action: CollectionAction,
    name: string,
    spec: unknown,
    options: { readonly timeoutMs: number },
  ): Promise<CollectionOutcome>;
  /** The last status the control plane sent, as plain JSON; undefined before the first. */
  status(): unknown;
  isConnected(): boolean;
}
