/** What the API server judges by the definitions, the operator judges by the schemas: of samples they must say the same. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseClusterObject } from "@prism/api/cluster";
import { parseCollectionObject, settleCollectionObject } from "@prism/api/collection";
import { parseNode } from "@prism/api/node";
import { Problem } from "@prism/api/problem-code";
import { shardSpecSchema } from "@prism/api/shard";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";

const SAMPLES = fileURLToPath(new URL("../../crds/samples/", import.meta.url));
const DEFAULTS = { replication: { factor: 3, minReplicasForWrite: 2 } };

interface SampleObject {
  readonly kind: string;
  readonly spec: unknown;
}

/** The objects of each file, in the order in which they are applied. */
function samples(folder: string): (readonly [name: string, objects: readonly SampleObject[]])[] {
  return readdirSync(`${SAMPLES}${folder}`).map((name) => {
    const documents = readFileSync(`${SAMPLES}${folder}/${name}`, "utf8").split(/^---\n/m);
    return [name, documents.map((document) => parse(document) as SampleObject)] as const;
  });
}

/** As the operator takes an object in. @throws {Problem} when it is not valid. */
function takeIn(object: SampleObject): void {
  switch (object.kind) {
    case "PrismCluster":
      parseClusterObject(object);
      return;
    case "PrismCollection":
      settleCollectionObject(parseCollectionObject(object), DEFAULTS);
      return;
    case "PrismShard":
      shardSpecSchema.parse(object.spec);
      return;
    case "PrismNode":
      parseNode(object);
      return;
    default:
      throw new Error(`no sample is a ${object.kind}`);
  }
}

// Two objects in a file: the second is refused for what the first was.
const byItself = samples("bad").filter(([, objects]) => objects.length === 1);
const byItsPast = samples("bad").filter(([, objects]) => objects.length === 2);

describe("the schemas", () => {
  it.each(samples("good"))("take %s, as the API server does", (_, objects) => {
    for (const object of objects) expect(() => takeIn(object)).not.toThrow();
  });

  it.each(byItself)("refuse %s, as the API server does", (_, [object]) => {
    expect(() => takeIn(object!)).toThrow(Problem);
  });

  it.each(byItsPast)(
    "take both objects of %s: only the change from one to the other is refused",
    (_, objects) => {
      for (const object of objects) expect(() => takeIn(object)).not.toThrow();
    },
  );
});
