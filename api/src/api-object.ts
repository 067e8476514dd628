/** What all objects of the group prism.dev have in common. */
import * as z from "zod";
import { strictObject } from "./schema.js";

/** The only place that names the group: everything else is made from it. */
export const API_GROUP = "prism.dev";
export const API_GROUP_VERSION = "v1alpha1";
export const API_VERSION = `${API_GROUP}/${API_GROUP_VERSION}` as const;

/** Labels and annotations of our own begin with it. */
export const LABEL_PREFIX = `${API_GROUP}/`;

/** By kind: the words in paths and on the command line. */
export const API_KINDS = {
  PrismCluster: { plural: "prismclusters", singular: "prismcluster", shortNames: ["pcl"] },
  PrismCollection: { plural: "prismcollections", singular: "prismcollection", shortNames: ["pcol"] },
  PrismShard: { plural: "prismshards", singular: "prismshard", shortNames: ["psh"] },
  PrismNode: { plural: "prismnodes", singular: "prismnode", shortNames: ["pno"] },
} as const;
export type ApiKind = keyof typeof API_KINDS;

/** Every name made from a cluster's name fits in 63 characters when this holds. */
export const CLUSTER_NAME_LENGTH = 30;

/** RFC 1123 label, short enough for the names made from it. */
export const clusterName = z
  .string()
  .max(CLUSTER_NAME_LENGTH, `must have at most ${CLUSTER_NAME_LENGTH} characters`)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, "must be lower-case letters, digits and inner hyphens");

/** The object names of collections and shards: dotted, case-keeping, as their HTTP names. */
export const objectName = z.string().min(1).max(253);

export const clusterRef = strictObject({
  name: clusterName.describe("Of a PrismCluster in the same namespace. Cannot be changed."),
});

/** Set by the store, never by people. */
export const storedMetadata = {
  uid: z.string().min(1).max(64).optional(),
  generation: z.int().min(1).optional(),
};

/** What the API server adds to an object's name is its own: it is read where it is needed, not checked. */
export const kubernetesMetadata = z.looseObject({
  name: objectName,
  namespace: z.string().optional(),
  uid: z.string().optional(),
  resourceVersion: z.string().optional(),
  generation: z.int().optional(),
  creationTimestamp: z.string().optional(),
  deletionTimestamp: z.string().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});
