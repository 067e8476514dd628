/** What all objects of the group prism.dev have in common. */
import * as z from "zod";
import { strictObject } from "./schema.js";

export const API_VERSION = "prism.dev/v1alpha1";

/** RFC 1123 label, short enough that every name made from a cluster's name fits in 63 characters. */
export const clusterName = z
  .string()
  .max(30, "must have at most 30 characters")
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, "must be lower-case letters, digits and inner hyphens");

/** The object names of collections and shards: dotted, case-keeping, as their HTTP names. */
export const objectName = z.string().min(1).max(253);

export const clusterRef = strictObject({ name: clusterName });

/** Set by the store, never by people. */
export const storedMetadata = {
  uid: z.string().min(1).max(64).optional(),
  generation: z.int().min(1).optional(),
};
