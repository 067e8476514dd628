/** What the rest of a node asks of the control plane, which dials the node and may be away. */

export type CollectionAction = "create" | "patch" | "delete";

export interface CollectionOutcome {
  readonly result: "created" | "unchanged" | "updated" | "deleted";
  /** The whole PrismCollection spec after the change as plain JSON; undefined after a delete. */
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
