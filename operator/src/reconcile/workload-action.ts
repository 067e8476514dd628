/** What the operator does to the objects that a cluster's nodes run by: a closed list. */
import type { Reason } from "@prism/api/reason";
import type { KubeObject, Stored } from "@prism/kube-machinery/kube-object";
import type { Evidence } from "../domain/action.js";
import type { OwnedObject } from "../resources/owned-object.js";

export const WORKLOAD_ACTION_KINDS = [
  "applySettings",
  "applyNodesService",
  "applyClientService",
  "applyNetworkPolicy",
  "closeBudget",
  "openBudget",
  "createStatefulSet",
  "updateStatefulSet",
  "changeTemplate",
  "dropForeignFields",
] as const;
export type WorkloadActionKind = (typeof WORKLOAD_ACTION_KINDS)[number];

/** A child as the API server keeps it. */
export type LiveObject = Stored<
  KubeObject & {
    readonly spec?: Readonly<Record<string, unknown>>;
    readonly data?: Readonly<Record<string, string>>;
  }
>;

export interface WorkloadAction {
  readonly kind: WorkloadActionKind;
  /** What is applied: our fields, and those alone. */
  readonly object: OwnedObject;
  /** The object that the decision was made from, or that there was none. Another one is left alone. */
  readonly precondition: { readonly uid: string } | "absent";
  readonly reason: Reason;
  readonly evidence: Evidence;
  /** Of `dropForeignFields`: what is taken out of the object, and no more is done. */
  readonly drop?: { readonly live: LiveObject; readonly pointers: readonly string[] };
}

/** `StatefulSet/demo-a`, in events and evidence. */
export function objectName(object: KubeObject): string {
  return `${object.kind}/${object.metadata.name}`;
}
