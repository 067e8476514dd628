/**
 * PrismCollection: a named set of documents and the fields that are searched. `CollectionSpec` is what
 * HTTP takes and gives, with all defaults filled in; the stored object adds the cluster it belongs to.
 */
import * as z from "zod";
import { API_VERSION, clusterRef, kubernetesMetadata, objectName, storedMetadata } from "./api-object.js";
import { conditionsSchema, observedGeneration } from "./condition.js";
import { fieldSchema } from "./field.js";
import type { FieldSpec } from "./field.js";
import { DEFAULT_LIMITS, describeLimit } from "./limits.js";
import type { Limits } from "./limits.js";
import type { Violation } from "./problem-code.js";
import { oneOf, parseWith, refuse, strictObject, toPointer } from "./schema.js";
import type { Immutable } from "./schema.js";

export type * from "./field.js";

export const COLLECTION_NAME_LENGTH = 63;
export const COLLECTION_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;

export const collectionName = z
  .string()
  .regex(COLLECTION_NAME, "must begin with a letter or digit and have at most 63 letters, digits, _ . -");

const statedReplication = strictObject({
  factor: z.int().min(1).max(16).optional().describe("Copies of each shard. Default: the cluster's."),
  minReplicasForWrite: z
    .int()
    .min(1)
    .max(16)
    .optional()
    .describe("Copies that must be in sync for writes. Default: the cluster's, or the factor if less."),
});

const statedShape = {
  shards: z.int().min(1).max(256).default(3).describe("Cannot be changed later."),
  replication: statedReplication.prefault({}),
  shardKey: z
    .string()
    .optional()
    .describe(
      "A keyword field: documents of one value share a shard. Cannot be changed later. Default: the id.",
    ),
  unknownFields: oneOf(["Store", "Reject"])
    .default("Store")
    .describe("Fields that the collection does not define: kept and returned but not searched, or refused."),
  fields: z
    .array(fieldSchema)
    .default([])
    .describe(
      "What is searched, filtered and aggregated. Fields can be added; none can be changed or removed.",
    ),
};

/** The body of PUT /collections/{c}. */
export const collectionBodySchema = strictObject({
  name: collectionName.optional().describe("When given, the name in the path."),
  ...statedShape,
  deletionProtection: z.boolean().default(false),
});

const settledReplication = strictObject({
  factor: z.int().min(1).max(16),
  minReplicasForWrite: z.int().min(1).max(16),
});

const settledShape = { ...statedShape, name: collectionName, replication: settledReplication };

/** The answer of GET /collections/{c}, and the form in the cluster map. */
export const collectionSpecSchema = strictObject({ ...settledShape, deletionProtection: z.boolean() });

export const collectionSchema = strictObject({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal("PrismCollection"),
  metadata: strictObject({ name: objectName, ...storedMetadata }),
  spec: strictObject({
    clusterRef,
    ...settledShape,
    // Objects from files and GitOps are deleted by accident, calls over HTTP are not: their default is true.
    deletionProtection: z.boolean().default(true),
  }),
});

export const collectionStatusSchema = z.object({
  observedGeneration,
  conditions: conditionsSchema.default([]),
  name: z.string().max(63).optional().describe("The name in HTTP."),
  acceptedSpec: z
    .string()
    .max(1_048_576)
    .optional()
    .describe(
      "What was accepted of the spec, as JSON, with what it takes from its cluster filled in. Counts until more is.",
    ),
  acceptedGeneration: z.int().min(0).optional().describe("Of the spec that was accepted."),
  shardsCreated: z
    .boolean()
    .default(false)
    .describe("All shard records were written once. One that is missing after that is lost, not new."),
});

/** As people write it and the API server keeps it: what is left out is the cluster's to say. */
export const collectionObjectSchema = strictObject({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal("PrismCollection"),
  metadata: kubernetesMetadata,
  spec: strictObject({
    clusterRef,
    name: collectionName
      .optional()
      .describe("The name in HTTP, one of a kind in its cluster. Default: metadata.name. Cannot be changed."),
    ...statedShape,
    deletionProtection: z
      .boolean()
      .default(true)
      .describe(
        "The API server refuses to delete the object, and with it the documents, while this is true.",
      ),
  }),
  status: collectionStatusSchema.optional(),
});

/** The body of PATCH /collections/{c}: fields are added, nothing else of them changes. */
export const collectionPatchSchema = strictObject({
  fields: z.array(fieldSchema).default([]),
  deletionProtection: z.boolean().optional(),
});

export const collectionListSchema = strictObject({ collections: z.array(collectionSpecSchema) });

export const collectionDeletedSchema = strictObject({ name: z.string(), result: z.literal("deleted") });

export type CollectionSpec = Immutable<z.output<typeof collectionSpecSchema>>;
export type PrismCollection = Immutable<z.output<typeof collectionSchema>>;
export type CollectionObject = Immutable<z.output<typeof collectionObjectSchema>>;
export type CollectionObjectStatus = Immutable<z.output<typeof collectionStatusSchema>>;
export type CollectionBody = Immutable<z.input<typeof collectionBodySchema>>;
export type CollectionList = Immutable<z.output<typeof collectionListSchema>>;
export type CollectionDeleted = Immutable<z.output<typeof collectionDeletedSchema>>;
export type CollectionPatch = Immutable<z.output<typeof collectionPatchSchema>>;

/** What a collection takes from its cluster; ClusterSettings is one. */
export interface CollectionDefaults {
  readonly replication: { readonly factor: number; readonly minReplicasForWrite: number };
}

/**
 * A collection as PUT sends it, or as a node keeps it.
 *
 * @param name the name in the path; without it the body must have one.
 * @throws {Problem} with every violation.
 */
export function parseCollectionSpec(
  input: unknown,
  defaults: CollectionDefaults,
  options: { readonly name?: string; readonly limits?: Limits } = {},
): CollectionSpec {
  const stated = parseWith(collectionBodySchema, input, "collection");
  const named =
    options.name === undefined ? undefined : parseWith(collectionName, options.name, "collection name");
  const factor = stated.replication.factor ?? defaults.replication.factor;
  const spec: CollectionSpec = {
    ...stated,
    name: named ?? stated.name ?? "",
    replication: {
      factor,
      minReplicasForWrite:
        stated.replication.minReplicasForWrite ?? Math.min(defaults.replication.minReplicasForWrite, factor),
    },
  };
  const violations = checkCollectionSpec(spec, options.limits ?? DEFAULT_LIMITS);
  if (spec.name === "") violations.unshift(violated(["name"], "is missing"));
  else if (stated.name !== undefined && stated.name !== spec.name) {
    violations.unshift(violated(["name"], `is not the name in the path, ${spec.name}`));
  }
  return violations.length > 0 ? refuse("collection", violations) : spec;
}

/** @throws {Problem} with every violation. */
export function parseCollectionPatch(input: unknown): CollectionPatch {
  return parseWith(collectionPatchSchema, input, "collection patch");
}

/** @throws {Problem} the stored object is damaged or of a newer version. */
export function parseCollection(input: unknown): PrismCollection {
  return parseWith(collectionSchema, input, "PrismCollection");
}

/**
 * An object as the API server gives it, with what it leaves to its cluster filled in. Its spec then is what
 * the control plane keeps and nodes are told.
 *
 * @param defaults of the cluster that the object names.
 * @throws {Problem} with every violation.
 */
export function settleCollectionObject(
  object: CollectionObject,
  defaults: CollectionDefaults,
  limits: Limits = DEFAULT_LIMITS,
): PrismCollection["spec"] {
  const { clusterRef: cluster, ...stated } = object.spec;
  const spec = parseCollectionSpec(stated, defaults, { name: stated.name ?? object.metadata.name, limits });
  return { clusterRef: cluster, ...spec };
}

/** @throws {Problem} invalidRequest with every violation. */
export function parseCollectionObject(input: unknown): CollectionObject {
  return parseWith(collectionObjectSchema, input, "PrismCollection");
}

function violated(path: readonly (string | number)[], detail: string): Violation {
  return { pointer: toPointer(path), code: "invalidRequest", detail };
}

/** The relations between the parts of a collection, and the limits. */
export function checkCollectionSpec(spec: CollectionSpec, limits: Limits): Violation[] {
  const violations: Violation[] = [];
  const { factor, minReplicasForWrite } = spec.replication;
  if (minReplicasForWrite > factor) {
    const detail = `${minReplicasForWrite} is more than replication.factor ${factor}: no write could succeed`;
    violations.push(violated(["replication", "minReplicasForWrite"], detail));
  }
  if (spec.shards > limits.shardsPerCollection) {
    const detail = `${spec.shards} is too many, ${describeLimit("shardsPerCollection", limits)}`;
    violations.push({ pointer: "/shards", code: "limitExceeded", detail });
  }
  checkFields(spec.fields, limits, violations);
  if (spec.shardKey !== undefined) {
    const type = spec.fields.find((field) => field.name === spec.shardKey)?.type;
    if (type === undefined) {
      violations.push(
        violated(["shardKey"], `names no field of the collection: ${JSON.stringify(spec.shardKey)}`),
      );
    } else if (type !== "keyword") {
      violations.push(violated(["shardKey"], `must name a keyword field; ${spec.shardKey} is ${type}`));
    }
  }
  return violations;
}

function checkFields(fields: readonly FieldSpec[], limits: Limits, violations: Violation[]): void {
  if (fields.length > limits.fields) {
    const detail = `${fields.length} fields are too many, ${describeLimit("fields", limits)}`;
    violations.push({ pointer: "/fields", code: "limitExceeded", detail });
    return;
  }
  const seen = new Set<string>();
  fields.forEach((field, i) => {
    if (seen.has(field.name))
      violations.push(violated(["fields", i, "name"], `${field.name} is defined twice`));
    seen.add(field.name);
    if (field.type === "vector" && field.dimensions > limits.dimensions) {
      const detail = `${field.dimensions} is too many, ${describeLimit("dimensions", limits)}`;
      violations.push({ pointer: toPointer(["fields", i, "dimensions"]), code: "limitExceeded", detail });
    }
  });
}

/**
 * The paths in which two collections differ, as JSON pointers with fields by name (`/fields/title/analyzer`);
 * empty when they are equal. The order of fields does not count.
 */
export function compareCollectionSpecs(a: CollectionSpec, b: CollectionSpec): string[] {
  const left = flatten(a);
  const right = flatten(b);
  const paths = [...new Set([...left.keys(), ...right.keys()])];
  return paths.filter((path) => left.get(path) !== right.get(path));
}

function flatten(spec: CollectionSpec): Map<string, unknown> {
  const { replication, fields, ...plain } = spec;
  const flat = new Map<string, unknown>();
  for (const [key, value] of Object.entries(plain))
    if (value !== undefined) flat.set(toPointer([key]), value);
  for (const [key, value] of Object.entries(replication)) flat.set(toPointer(["replication", key]), value);
  for (const { name, ...field } of fields) {
    for (const [key, value] of Object.entries(field)) flat.set(toPointer(["fields", name, key]), value);
  }
  return flat;
}

/**
 * The collection with the patch's fields added behind its own. A field that is there already and equal
 * is left as it is, so that a patch may be sent twice; one that is there and differs is a violation
 * (collectionDiffers), for nothing of a field can change.
 */
export function growFields(
  current: CollectionSpec,
  patch: CollectionPatch,
  limits: Limits = DEFAULT_LIMITS,
): { readonly spec: CollectionSpec; readonly violations: readonly Violation[] } {
  const violations: Violation[] = [];
  const byName = new Map(current.fields.map((field) => [field.name, field]));
  const added: FieldSpec[] = [];
  patch.fields.forEach((field, i) => {
    const existing = byName.get(field.name);
    if (existing === undefined) added.push(field);
    else violations.push(...compareFields(existing, field, i));
  });
  const spec: CollectionSpec = {
    ...current,
    fields: [...current.fields, ...added],
    deletionProtection: patch.deletionProtection ?? current.deletionProtection,
  };
  checkFields(spec.fields, limits, violations);
  return { spec, violations };
}

function compareFields(existing: FieldSpec, wanted: FieldSpec, at: number): Violation[] {
  const before: Readonly<Record<string, unknown>> = existing;
  const after: Readonly<Record<string, unknown>> = wanted;
  const keys = existing.type === wanted.type ? Object.keys(after) : ["type"];
  return keys
    .filter((key) => before[key] !== after[key])
    .map((key) => ({
      pointer: toPointer(["fields", at, key]),
      code: "collectionDiffers",
      detail: `of ${existing.name} is ${String(before[key])} and cannot be changed`,
    }));
}
