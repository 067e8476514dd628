/**
 * What the API server checks beyond types: rules in CEL (https://kubernetes.io/docs/reference/using-api/cel/),
 * keys of lists, and the bounds by which it estimates what a rule costs. Each rule mirrors a check of the zod
 * schemas, or keeps what cannot be changed; the operator checks everything again. Messages say what to do.
 */
import { CLUSTER_NAME_LENGTH } from "../api-object.js";
import { MOST_ZONES } from "../cluster.js";
import { COLLECTION_NAME_LENGTH } from "../collection.js";
import { OPERATOR_ENVIRONMENT, RESERVED_LABELS } from "../workload.js";
import type { StructuralSchema, ValidationRule } from "./structural-schema.js";

/** Added to the schema at a path such as `spec.topology.zones[].name`; "" is the whole object. */
export type Additions = Readonly<Record<string, Partial<StructuralSchema>>>;

function rules(...list: readonly ValidationRule[]): Partial<StructuralSchema> {
  return { "x-kubernetes-validations": list };
}

function unchanging(message: string): ValidationRule {
  return { rule: "self == oldSelf", message };
}

/** A field that may be left out cannot keep itself: the rule stands on the object around it. */
function unchangingOptional(name: string, message: string): ValidationRule {
  const rule = `has(self.${name}) == has(oldSelf.${name}) && (!has(self.${name}) || self.${name} == oldSelf.${name})`;
  return { rule, message, fieldPath: `.${name}` };
}

const MAP_BY_NAME = { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"] } as const;

/** Labels are looked over key by key: without a bound the estimate is that of an endless map. */
const PAIRS = { maxProperties: 64 };

const NODES = "(has(self.nodes) ? self.nodes : (self.mode == 'Single' ? 1 : 3))";
const FACTOR = "(has(self.replication.factor) ? self.replication.factor : (self.mode == 'Single' ? 1 : 3))";
const FLOOR = `(has(self.replication.minReplicasForWrite) ? self.replication.minReplicasForWrite : (${FACTOR} < 2 ? ${FACTOR} : 2))`;

/** To go over two lists side by side: what makes a list of names has no bound that an estimate knows. */
const ZONE_PLACES = Array.from({ length: MOST_ZONES }, (_, i) => i).join(",");

const reserved = RESERVED_LABELS.map((prefix) => `!key.startsWith('${prefix}')`).join(" && ");
const podPairs = {
  ...PAIRS,
  ...rules({
    rule: `self.all(key, ${reserved})`,
    message: `names that begin with ${RESERVED_LABELS.join(" or ")} are the operator's: choose another prefix`,
  }),
};

const conditions = {
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": ["type"],
} as const;

const withinLimit = (resource: "cpu" | "memory"): ValidationRule => ({
  rule:
    `!has(self.requests.${resource}) || !has(self.limits.${resource}) || ` +
    `quantity(string(self.requests.${resource})).compareTo(quantity(string(self.limits.${resource}))) <= 0`,
  message: `requests.${resource} must be at most limits.${resource}: lower the request or raise the limit`,
  fieldPath: `.requests.${resource}`,
});

export const CLUSTER_RULES: Additions = {
  "": rules({
    rule: `size(self.metadata.name) <= ${CLUSTER_NAME_LENGTH} && !self.metadata.name.contains('.')`,
    message: `metadata.name must have at most ${CLUSTER_NAME_LENGTH} characters and no dots: names of pods and Services are made from it`,
  }),
  spec: rules(
    {
      rule: `self.mode != 'Single' || ${NODES} == 1`,
      message: "mode Single has one node: set nodes to 1, or mode to Cluster",
      fieldPath: ".nodes",
    },
    {
      rule: `self.mode != 'Single' || ${FACTOR} == 1`,
      message: "mode Single keeps one copy of each shard: set replication.factor to 1, or mode to Cluster",
      fieldPath: ".replication.factor",
    },
    {
      rule: `${FLOOR} <= ${FACTOR}`,
      message:
        "replication.minReplicasForWrite must be at most replication.factor: otherwise no write could succeed",
      fieldPath: ".replication.minReplicasForWrite",
    },
    {
      rule: `${FLOOR} <= ${NODES}`,
      message:
        "replication.minReplicasForWrite must be at most nodes: otherwise no write could succeed; for one node set mode to Single",
      fieldPath: ".replication.minReplicasForWrite",
    },
    {
      rule: `self.storage.type != 'Ephemeral' || ${FACTOR} >= 2`,
      message:
        "storage.type Ephemeral needs replication.factor 2 or more: with one copy, each restart would lose data",
      fieldPath: ".storage.type",
    },
    {
      rule: `${NODES} >= ${NODES.replaceAll("self.", "oldSelf.")}`,
      message: "nodes cannot shrink yet: set it to what it was, or more",
      fieldPath: ".nodes",
    },
  ),
  "spec.mode": rules(unchanging("mode cannot be changed: make another cluster and load the data there")),
  "spec.topology": rules(
    {
      rule: "self.domain != 'Region' || !has(self.zones) || self.zones.all(zone, zone.region != '')",
      message: "domain Region needs the region of every zone: set zones[].region",
      fieldPath: ".zones",
    },
    {
      rule: "self.domain != 'Rack' || !has(self.zones) || self.zones.all(zone, zone.rack != '')",
      message: "domain Rack needs the rack of every zone: set zones[].rack",
      fieldPath: ".zones",
    },
    {
      rule:
        `!has(oldSelf.zones) || (has(self.zones) && [${ZONE_PLACES}].all(i, i >= oldSelf.zones.size() || ` +
        "(i < self.zones.size() && self.zones[i].name == oldSelf.zones[i].name)))",
      message:
        "zones keep their places, for data lies in them: add new ones at the end of the list, remove none",
      fieldPath: ".zones",
    },
  ),
  "spec.topology.labelKey": rules(
    unchanging("labelKey cannot be changed: the zones of nodes and their volumes were found by it"),
  ),
  "spec.topology.zones": MAP_BY_NAME,
  "spec.topology.zones[].attributes": PAIRS,
  "spec.topology.zones[].storageClassName": rules(
    unchanging("the storage class of a zone's volumes cannot be changed"),
  ),
  "spec.storage.type": rules(
    unchanging("storage.type cannot be changed: make another cluster and load the data there"),
  ),
  "spec.storage.size": rules(unchanging("volumes cannot be resized yet: set storage.size to what it was")),
  "spec.storage.storageClassName": rules(
    unchanging(
      "the storage class of volumes cannot be changed: make another cluster and load the data there",
    ),
  ),
  "spec.resources": rules(withinLimit("cpu"), withinLimit("memory")),
  "spec.image.pullSecrets": MAP_BY_NAME,
  "spec.pod.labels": podPairs,
  "spec.pod.annotations": podPairs,
  "spec.pod.nodeSelector": PAIRS,
  "spec.pod.env": MAP_BY_NAME,
  "spec.pod.env[]": rules({
    rule: "!has(self.value) || !has(self.valueFrom)",
    message: "set value or valueFrom, not both",
  }),
  "spec.pod.env[].name": rules({
    rule: `!(self in [${OPERATOR_ENVIRONMENT.map((name) => `'${name}'`).join(", ")}])`,
    message: `is set by the operator, as are ${OPERATOR_ENVIRONMENT.join(", ")}: remove it`,
  }),
  "spec.pod.env[].valueFrom": rules({
    rule: "has(self.secretKeyRef) != has(self.configMapKeyRef)",
    message: "set one of secretKeyRef and configMapKeyRef",
  }),
  "status.conditions": conditions,
  "status.topology.zones": MAP_BY_NAME,
};

export const COLLECTION_RULES: Additions = {
  "": rules({
    rule: `has(self.spec.name) || size(self.metadata.name) <= ${COLLECTION_NAME_LENGTH}`,
    message: `metadata.name is the collection's name in HTTP and has more than ${COLLECTION_NAME_LENGTH} characters: set spec.name`,
  }),
  spec: rules(
    unchangingOptional(
      "name",
      "name cannot be changed: make another collection and load the documents there",
    ),
    unchangingOptional(
      "shardKey",
      "shardKey cannot be changed: make another collection and load the documents there",
    ),
    {
      rule: "!has(self.shardKey) || self.fields.exists(field, field.name == self.shardKey && field.type == 'keyword')",
      message: "shardKey must name a keyword field of the collection: add it to fields",
      fieldPath: ".shardKey",
    },
    {
      rule:
        "!has(self.replication.factor) || !has(self.replication.minReplicasForWrite) || " +
        "self.replication.minReplicasForWrite <= self.replication.factor",
      message:
        "replication.minReplicasForWrite must be at most replication.factor: otherwise no write could succeed",
      fieldPath: ".replication.minReplicasForWrite",
    },
  ),
  "spec.name": { maxLength: COLLECTION_NAME_LENGTH },
  "spec.shardKey": { maxLength: 128 },
  "spec.clusterRef": rules(
    unchanging(
      "clusterRef cannot be changed: make a collection in the other cluster and load the documents there",
    ),
  ),
  "spec.shards": rules(
    unchanging("shards cannot be changed yet: make another collection and load the documents there"),
  ),
  "spec.replication": rules(unchanging("the replication of a collection cannot be changed yet")),
  "spec.unknownFields": rules(unchanging("unknownFields cannot be changed yet")),
  "spec.fields": {
    ...MAP_BY_NAME,
    maxItems: 256,
    ...rules({
      rule: "oldSelf.all(before, self.exists(field, field.name == before.name))",
      message: "fields can be added, not removed: documents hold them",
    }),
  },
  "spec.fields[].name": { maxLength: 128 },
  "spec.fields[].type": {
    description:
      "text: words, searched by BM25. keyword: the whole value. integer: 32 bit. long: 53 bit. float: 64 bit. boolean. date. vector: searched by nearness.",
  },
  "spec.fields[]": rules(
    unchanging("a field cannot be changed: add another one"),
    {
      rule: "!(self.name in ['id', '__proto__'])",
      message: "a field cannot be called id, the document's own, or __proto__: choose another name",
      fieldPath: ".name",
    },
    {
      rule: "has(self.dimensions) == (self.type == 'vector')",
      message: "dimensions belong to fields of type vector, which need them",
      fieldPath: ".dimensions",
    },
    {
      rule: "self.type == 'vector' || (!has(self.metric) && !has(self.precision))",
      message: "metric and precision belong to fields of type vector: remove them",
    },
    {
      rule: "self.type == 'text' || !has(self.analyzer)",
      message: "an analyzer belongs to fields of type text: remove it",
      fieldPath: ".analyzer",
    },
  ),
  "status.conditions": conditions,
};

/** Words, not an enum: a server with an older definition must not refuse the record of a failover. */
const REASON = { enum: undefined, maxLength: 128 };

export const SHARD_RULES: Additions = {
  "": rules({
    rule:
      "!has(oldSelf.status) || (has(self.status) && self.status.version >= oldSelf.status.version && " +
      "self.status.term >= oldSelf.status.term)",
    message: "the record of a shard goes forward only: the operator alone writes it",
  }),
  "spec.clusterRef": rules(unchanging("clusterRef cannot be changed")),
  "spec.collection": rules(unchanging("collection cannot be changed")),
  "spec.collectionUid": rules(unchanging("collectionUid cannot be changed")),
  "spec.number": rules(unchanging("number cannot be changed")),
  "spec.clusterId": rules(unchanging("clusterId cannot be changed")),
  "status.lastChange.reason": REASON,
  "status.departed[].reason": REASON,
};

export const NODE_RULES: Additions = {
  "spec.clusterRef": rules(unchanging("clusterRef cannot be changed")),
  "spec.zone": rules(unchanging("a node keeps its zone: its data lies there")),
  "spec.attributes": PAIRS,
};
