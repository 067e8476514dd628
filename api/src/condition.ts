/** metav1.Condition, with its bounds. k8s.io/apimachinery, pkg/apis/meta/v1. */
import * as z from "zod";
import type { Immutable } from "./schema.js";

export const conditionSchema = z.object({
  type: z.string().min(1).max(316).describe("What is said to hold or not."),
  status: z.enum(["True", "False", "Unknown"]).describe("Whether it holds."),
  reason: z.string().min(1).max(1024).describe("One of docs/reasons.md."),
  message: z.string().max(32_768).describe("The reason of this case, for people."),
  observedGeneration: z.int().min(0).optional().describe("Of the spec that this condition speaks of."),
  lastTransitionTime: z.iso.datetime().describe("Of the last change of status."),
});

export type ObjectCondition = Immutable<z.output<typeof conditionSchema>>;

export const conditionsSchema = z.array(conditionSchema).max(32).describe("All of them, always.");

/** Of the spec that a status speaks of. */
export const observedGeneration = z
  .int()
  .min(0)
  .optional()
  .describe("Of the spec that this status speaks of.");

/** What people wait for by `kubectl wait --for=condition=...`. */
export const CLUSTER_CONDITIONS = [
  "Ready",
  "Available",
  "Progressing",
  "Degraded",
  "Stalled",
  "ZoneLossTolerated",
] as const;

/** Accepted: the operator acts on the object. Ready: every shard of it takes writes. */
export const COLLECTION_CONDITIONS = ["Accepted", "Ready"] as const;
