/** What the control plane decides: a closed list. Each action carries what must still be true when it is done. */
import type { Reason } from "@prism/api/reason";
import type { RecordChange, Refusal } from "./shard-record.js";
import type { ShardRequest } from "./shard-observation.js";

/** Numbers, names and lists that explain a verdict; written to logs, events and status as they are. */
export type Evidence = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** The record that the decision was made from; a plan made from another fails instead of harming. */
export interface RecordPrecondition {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly version: number;
  readonly term: number;
}

export type Action =
  | {
      readonly kind: "changeRecord";
      readonly shard: string;
      readonly precondition: RecordPrecondition;
      readonly change: RecordChange;
      readonly reason: Reason;
      readonly evidence: Evidence;
      /** The primary's request that this answers; the newer map is its answer. */
      readonly request: ShardRequest | undefined;
      /** For the policy against a primary that loses several healthy copies at once. */
      readonly note: "healthyRemoval" | "promotedInstead" | undefined;
    }
  /** Tells a primary why its request was not followed. Advice only: it changes nothing. */
  | {
      readonly kind: "refuseRequest";
      readonly shard: string;
      readonly request: ShardRequest;
      readonly refusal: Refusal | "targetAway";
    };

export type Verdict =
  | { readonly kind: "pass" }
  | { readonly kind: "act"; readonly actions: readonly Action[] }
  /** Nothing can be done now. `retryAtMs` is set when only time is missing. */
  | {
      readonly kind: "wait";
      readonly reason: Reason;
      readonly retryAtMs: number | undefined;
      readonly evidence: Evidence;
    }
  /** Nothing may be done: acting could harm. */
  | { readonly kind: "refuse"; readonly reason: Reason; readonly evidence: Evidence };

export const PASS: Verdict = { kind: "pass" };
