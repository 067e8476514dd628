/** The CustomResourceDefinitions, made from the schemas of the objects. */
import type * as z from "zod";
import { API_GROUP, API_GROUP_VERSION, API_KINDS, type ApiKind } from "../api-object.js";
import { clusterObjectSchema } from "../cluster.js";
import { collectionObjectSchema } from "../collection.js";
import { nodeObjectSchema } from "../node.js";
import { shardSpecSchema, shardStatusSchema } from "../shard.js";
import { CLUSTER_RULES, COLLECTION_RULES, NODE_RULES, SHARD_RULES, type Additions } from "./crd-rules.js";
import { toStructuralSchema, type StructuralSchema } from "./structural-schema.js";

interface PrinterColumn {
  readonly name: string;
  readonly type: "string" | "integer" | "boolean" | "date";
  readonly jsonPath: string;
  readonly description?: string;
  /** 1: shown by -o wide alone. */
  readonly priority?: 1;
}

interface KindDefinition {
  readonly description: string;
  readonly spec: z.ZodType;
  readonly status: z.ZodType;
  readonly additions: Additions;
  readonly columns: readonly PrinterColumn[];
  readonly subresources?: Readonly<Record<string, unknown>>;
}

export interface CustomResourceDefinition {
  readonly apiVersion: "apiextensions.k8s.io/v1";
  readonly kind: "CustomResourceDefinition";
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: Readonly<Record<string, unknown>>;
}

const AGE: PrinterColumn = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };

function text(name: string, jsonPath: string): PrinterColumn {
  return { name, type: "string", jsonPath };
}

function integer(name: string, jsonPath: string): PrinterColumn {
  return { name, type: "integer", jsonPath };
}

function condition(name: string, type: string, part: "status" | "reason"): PrinterColumn {
  return text(name, `.status.conditions[?(@.type=="${type}")].${part}`);
}

function wide(column: PrinterColumn): PrinterColumn {
  return { ...column, priority: 1 };
}

const DEFINITIONS: Readonly<Record<ApiKind, KindDefinition>> = {
  PrismCluster: {
    description: "A search cluster: its nodes, the zones they stand in, and how shards are replicated.",
    spec: clusterObjectSchema.shape.spec,
    status: clusterObjectSchema.shape.status,
    additions: CLUSTER_RULES,
    columns: [
      condition("Ready", "Ready", "status"),
      integer("Nodes", ".spec.nodes"),
      integer("Up", ".status.readyNodes"),
      integer("Shards", ".status.shards.total"),
      condition("Zone-Safe", "ZoneLossTolerated", "status"),
      text("Version", ".status.version"),
      text("Status", ".status.summary"),
      AGE,
      wide(condition("Available", "Available", "status")),
      wide(condition("Stalled", "Stalled", "status")),
      wide(condition("Zone-Reason", "ZoneLossTolerated", "reason")),
      wide(text("Domain", ".status.topology.domain")),
      wide(integer("Copies", ".status.shards.copies")),
      wide(integer("In-Sync", ".status.shards.inSync")),
      wide(integer("No-Primary", ".status.shards.withoutPrimary")),
      wide(text("Doing", ".status.operation.step")),
      wide(text("Waits-For", ".status.operation.blockers[0].rule")),
    ],
    subresources: {
      status: {},
      scale: {
        specReplicasPath: ".spec.nodes",
        statusReplicasPath: ".status.nodes",
        labelSelectorPath: ".status.selector",
      },
    },
  },
  PrismCollection: {
    description: "A named set of documents in a cluster, and the fields that are searched.",
    spec: collectionObjectSchema.shape.spec,
    status: collectionObjectSchema.shape.status,
    additions: COLLECTION_RULES,
    columns: [
      text("Cluster", ".spec.clusterRef.name"),
      text("Name", ".status.name"),
      integer("Shards", ".spec.shards"),
      condition("Accepted", "Accepted", "status"),
      condition("Ready", "Ready", "status"),
      condition("Reason", "Accepted", "reason"),
      AGE,
      wide(integer("Copies", ".spec.replication.factor")),
      wide(text("Shard-Key", ".spec.shardKey")),
      wide({ name: "Protected", type: "boolean", jsonPath: ".spec.deletionProtection" }),
    ],
    subresources: { status: {} },
  },
  PrismShard: {
    description:
      "The record of one shard: which copies are in sync, and which of them is primary in which term. Written by the operator alone.",
    spec: shardSpecSchema,
    status: shardStatusSchema.optional(),
    additions: SHARD_RULES,
    // No status subresource: spec and status must change in one write.
    columns: [
      text("Cluster", ".spec.clusterRef.name"),
      text("Collection", ".spec.collection"),
      integer("Number", ".spec.number"),
      integer("Term", ".status.term"),
      text("In-Sync", ".status.inSync"),
      text("Last-Change", ".status.lastChange.reason"),
      AGE,
      wide(text("Primary", ".status.primary")),
      wide(text("Recovering", ".status.recovering")),
      wide(integer("Version", ".status.version")),
    ],
  },
  PrismNode: {
    description:
      "A member of a cluster: a place, and the volume that stands there. Written by the operator alone.",
    spec: nodeObjectSchema.shape.spec,
    status: nodeObjectSchema.shape.status,
    additions: NODE_RULES,
    columns: [
      text("Cluster", ".spec.clusterRef.name"),
      text("Zone", ".spec.zone"),
      text("Node-Id", ".status.nodeId"),
      AGE,
      wide(text("Address", ".status.peerAddress")),
    ],
  },
};

/** @param annotations of the definition itself, such as what keeps Helm from deleting it. */
export function buildCrd(
  kind: ApiKind,
  annotations?: Readonly<Record<string, string>>,
): CustomResourceDefinition {
  const { plural, singular, shortNames } = API_KINDS[kind];
  const { columns, subresources } = DEFINITIONS[kind];
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${API_GROUP}`, ...(annotations === undefined ? {} : { annotations }) },
    spec: {
      group: API_GROUP,
      scope: "Namespaced",
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular,
        shortNames: [...shortNames],
        categories: ["prism"],
      },
      versions: [
        {
          name: API_GROUP_VERSION,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: buildObjectSchema(kind) },
          additionalPrinterColumns: columns,
          ...(subresources === undefined ? {} : { subresources }),
        },
      ],
    },
  };
}

/** With apiVersion, kind, spec and status; metadata is the server's. */
export function buildObjectSchema(kind: ApiKind): StructuralSchema {
  const { description, spec, status, additions } = DEFINITIONS[kind];
  const schema: StructuralSchema = {
    type: "object",
    description,
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: { type: "object" },
      spec: toStructuralSchema(spec),
      status: toStructuralSchema(status),
    },
    required: ["spec"],
  };
  for (const [path, addition] of Object.entries(additions)) {
    const target = schemaAt(schema, path, kind);
    Object.assign(target, addition);
    for (const [key, value] of Object.entries(addition)) {
      if (value === undefined) Reflect.deleteProperty(target, key);
    }
  }
  return schema;
}

function schemaAt(root: StructuralSchema, path: string, kind: ApiKind): StructuralSchema {
  let at: StructuralSchema | undefined = root;
  for (const part of path === "" ? [] : path.split(/\.|(?=\[\])/)) {
    at = part === "[]" ? at?.items : at?.properties?.[part];
  }
  if (at === undefined) throw new Error(`${kind} has no ${path}: its rule guards nothing`);
  return at;
}
