import { describe, expect, it } from "vitest";
import { toViolations } from "./schema.js";
import { parseShard, shardName, shardSchema } from "./shard.js";

const STATUS = {
  term: 4,
  version: 17,
  historyId: "h1",
  primary: "a1",
  inSync: ["a1", "a2"],
  recovering: ["a3"],
  departed: [],
  copies: [
    { id: "a1", node: "n1", zone: "a" },
    { id: "a2", node: "n2", zone: "b" },
    { id: "a3", node: "n3", zone: "c" },
  ],
  lastChange: { reason: "PrimarySuspect", at: 1_700_000_000_000 },
};

function shardWith(status: unknown): unknown {
  return {
    apiVersion: "prism.dev/v1alpha1",
    kind: "PrismShard",
    metadata: { name: shardName("demo", "speeches", 0) },
    spec: {
      clusterRef: { name: "demo" },
      collection: "speeches",
      collectionUid: "c1",
      number: 0,
      clusterId: "k1",
      bootstrap: "",
    },
    ...(status === undefined ? {} : { status }),
  };
}

describe("a shard's record", () => {
  it("is taken as it was written", () => {
    expect(parseShard(shardWith(STATUS))).toEqual(shardWith(STATUS));
  });

  it("may have no status: such a shard is unknown", () => {
    expect(parseShard(shardWith(undefined)).status).toBeUndefined();
  });

  it.each([
    [{ primary: "a3" }, "/status/primary"],
    [{ inSync: [] }, "/status/inSync"],
    [{ recovering: ["a2"] }, "/status/recovering"],
    [{ recovering: ["a9"] }, "/status/copies"],
    [{ copies: [...STATUS.copies, STATUS.copies[0]] }, "/status/copies"],
    [{ term: 0 }, "/status/term"],
    [{ lastChange: { reason: "Whim", at: 0 } }, "/status/lastChange/reason"],
    [{ target: [] }, "/status/target"],
  ])("is refused with %j", (change, pointer) => {
    const parsed = shardSchema.safeParse(shardWith({ ...STATUS, ...change }));
    const pointers = toViolations(parsed.error?.issues ?? []).map((violation) => violation.pointer);
    expect(pointers).toContain(pointer);
  });
});
