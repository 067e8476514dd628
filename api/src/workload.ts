/**
 * What a PrismCluster says of its pods and volumes: image, storage, resources, and a closed list of pod
 * settings. Kubernetes alone makes use of it; see operator/src/cluster-file.ts for local mode.
 */
import * as z from "zod";
import { LABEL_PREFIX } from "./api-object.js";
import { parseQuantity, quantity } from "./quantity.js";
import { oneOf, strictObject } from "./schema.js";
import type { Immutable } from "./schema.js";

/** RFC 1123 subdomain, the form of most object names. */
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const subdomain = z
  .string()
  .max(253)
  .regex(SUBDOMAIN, "must be lower-case letters, digits and inner - and .");

/** "" is the same as none. */
export const optionalObjectName = z
  .union([z.literal(""), subdomain], "must be lower-case letters, digits and inner - and .")
  .default("");

/** A domain, perhaps with a port, and a path: without tag and digest, for spec.version is the tag. */
const REPOSITORY = /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]+)?(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*$/;

export const imageSchema = strictObject({
  repository: z
    .string()
    .min(1)
    .max(255)
    .regex(REPOSITORY, "must be a repository without tag: the tag is spec.version")
    .optional()
    .describe("Without tag: the image is repository:version. Default: the operator's, set by its chart."),
  pullPolicy: oneOf(["Always", "IfNotPresent", "Never"])
    .default("IfNotPresent")
    .describe("When the image is pulled."),
  pullSecrets: z
    .array(strictObject({ name: subdomain.describe("Of the Secret.") }))
    .max(16)
    .default([])
    .describe("Secrets of the cluster's namespace with which the image is pulled."),
});

export const storageSchema = strictObject({
  type: oneOf(["Persistent", "Ephemeral"])
    .default("Persistent")
    .describe(
      "Persistent: a volume per node, kept over restarts. Ephemeral: each start of a pod is a new, empty node, " +
        "filled by its peers; needs replication.factor 2 or more. Cannot be changed.",
    ),
  size: quantity.prefault("20Gi").describe("Of each node's volume. Cannot be changed yet."),
  storageClassName: optionalObjectName.describe(
    "Of the volumes, where the zone says none. Default: the default class. Cannot be changed.",
  ),
  reclaimPolicy: oneOf(["Retain"])
    .default("Retain")
    .describe("Retain: volumes stay when the cluster is deleted; a new one of its name finds its data."),
});

const amounts = strictObject({
  cpu: quantity.optional().describe("Processors, such as 2 or 500m."),
  memory: quantity.optional().describe("Bytes, such as 4Gi."),
});

const DEFAULT_RESOURCES = {
  requests: { cpu: "500m", memory: "1Gi" },
  limits: { memory: "1Gi" },
};

// As a whole or not at all: a default limit beside a stated, higher request would make pods that can't start.
export const resourcesSchema = strictObject({
  requests: amounts.prefault({}).describe("Of each node's pod: what its machine keeps free for it."),
  limits: amounts
    .prefault({})
    .describe(
      "Of each node's pod. Worker threads follow cpu (the limit, else the request); the memory budget follows the memory limit.",
    ),
})
  .prefault(DEFAULT_RESOURCES)
  .describe("Default, when nothing of it is said: requests of 500m and 1Gi, a memory limit of 1Gi.");

const LABEL_KEY =
  /^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

export const labelKey = z
  .string()
  .max(317)
  .regex(LABEL_KEY, "must be a label's name, such as example.com/disk");
const labelValue = z
  .string()
  .regex(LABEL_VALUE, "must be a label's value: at most 63 letters, digits, - _ .");

const MOST_PAIRS = 64;

function pairs(value: z.ZodString) {
  return z.record(labelKey, value).refine((record) => Object.keys(record).length <= MOST_PAIRS, {
    message: `must have at most ${MOST_PAIRS} keys`,
  });
}

/** The operator finds its pods by these. */
export const RESERVED_LABELS = [LABEL_PREFIX, "app.kubernetes.io/"] as const;

function isReserved(key: string): boolean {
  return RESERVED_LABELS.some((prefix) => key.startsWith(prefix));
}

/** `labels` or `annotations` of pods. */
function podPairs(value: z.ZodString) {
  return pairs(value)
    .default({})
    .superRefine((record, context) => {
      for (const key of Object.keys(record).filter(isReserved)) {
        const message = `names that begin with ${RESERVED_LABELS.join(" or ")} are the operator's`;
        context.addIssue({ code: "custom", path: [key], message, input: record });
      }
    });
}

const toleration = strictObject({
  key: z.string().max(317).optional().describe("Of the taint; none with operator Exists: every taint."),
  operator: oneOf(["Exists", "Equal"]).optional().describe("Default: Equal."),
  value: z.string().max(63).optional().describe("Of the taint, for Equal."),
  effect: oneOf(["NoSchedule", "PreferNoSchedule", "NoExecute"])
    .optional()
    .describe("Of the taint. Default: every effect."),
  tolerationSeconds: z
    .int()
    .min(0)
    .optional()
    .describe("How long NoExecute is put up with. Default: for ever."),
});

/** What the operator itself tells a node; a second value of one name would be anybody's guess. */
export const OPERATOR_ENVIRONMENT = [
  "POD_NAME",
  "POD_IP",
  "PRISM_CONFIG",
  "PRISM_DATA",
  "PRISM_NAME",
  "PRISM_ADVERTISE_HOST",
  "PRISM_HTTP_ADDRESS",
  "PRISM_PEER_ADDRESS",
  "PRISM_ADMIN_ADDRESS",
  "PRISM_TLS_DIRECTORY",
  "PRISM_WORKERS",
  "UV_THREADPOOL_SIZE",
] as const;

const keyOf = strictObject({
  name: subdomain.describe("Of the object, in the cluster's namespace."),
  key: z.string().min(1).max(253).describe("In the object's data."),
  optional: z.boolean().optional().describe("Whether pods start without it. Default: false."),
});

const environmentVariable = strictObject({
  name: z
    .string()
    .max(128)
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be letters, digits and _, a digit not first")
    .refine((name) => !(OPERATOR_ENVIRONMENT as readonly string[]).includes(name), {
      message: `is set by the operator, as are ${OPERATOR_ENVIRONMENT.join(", ")}`,
    })
    .describe("Of the variable; those that the operator sets are refused."),
  value: z.string().max(4096).optional().describe("Default: none."),
  valueFrom: strictObject({ secretKeyRef: keyOf.optional(), configMapKeyRef: keyOf.optional() })
    .refine(
      ({ secretKeyRef, configMapKeyRef }) => (secretKeyRef === undefined) !== (configMapKeyRef === undefined),
      {
        message: "must have one of secretKeyRef and configMapKeyRef",
      },
    )
    .optional(),
}).refine(({ value, valueFrom }) => value === undefined || valueFrom === undefined, {
  message: "must have value or valueFrom, not both",
});

export const podSchema = strictObject({
  labels: podPairs(labelValue).describe("Added to the pods."),
  annotations: podPairs(z.string().max(4096)).describe("Added to the pods."),
  nodeSelector: pairs(labelValue).default({}).describe("Labels that a machine must have for these pods."),
  tolerations: z
    .array(toleration)
    .max(32)
    .default([])
    .describe("Taints of machines that these pods put up with."),
  affinity: strictObject({
    nodeAffinity: z.looseObject({}).optional().describe("To machines, by their labels."),
    podAffinity: z.looseObject({}).optional().describe("To other pods."),
    podAntiAffinity: z.looseObject({}).optional().describe("Away from other pods."),
  })
    .default({})
    .describe("As in a pod's spec. That pods spread over zones and machines is seen to without it."),
  priorityClassName: optionalObjectName.describe("Of the pods. Default: none."),
  env: z
    .array(environmentVariable)
    .max(64)
    .default([])
    .superRefine((variables, context) => {
      variables.forEach(({ name }, i) => {
        if (variables.findIndex((other) => other.name === name) < i) {
          const message = `${name} is set twice`;
          context.addIssue({ code: "custom", path: [i, "name"], message, input: variables });
        }
      });
    })
    .describe("Added to the nodes' environment: limits (PRISM_LIMITS_...), NODE_OPTIONS."),
});

export type ImageSettings = Immutable<z.output<typeof imageSchema>>;
export type StorageSettings = Immutable<z.output<typeof storageSchema>>;
export type ResourceSettings = Immutable<z.output<typeof resourcesSchema>>;
export type PodSettings = Immutable<z.output<typeof podSchema>>;

/** Names of resources whose request is above their limit: the API server would refuse the pods. */
export function requestsAboveLimits({ requests, limits }: ResourceSettings): ("cpu" | "memory")[] {
  return (["cpu", "memory"] as const).filter((name) => {
    const request = requests[name];
    const limit = limits[name];
    return request !== undefined && limit !== undefined && parseQuantity(request) > parseQuantity(limit);
  });
}
