import { parseCollectionSpec, type CollectionSpec } from "@prism/api/collection";
import { expect, test } from "vitest";
import { judgeCollections, type CollectionClaim } from "./collection-admission.js";

const CLUSTER = { replication: { factor: 3, minReplicasForWrite: 2 } };

function claim(
  uid: string,
  name: string,
  body: object,
  over: Partial<CollectionClaim> = {},
): CollectionClaim {
  return {
    uid,
    createdAt: "2026-01-01T00:00:00Z",
    name,
    settle: (defaults) => parseCollectionSpec(body, defaults, { name }),
    accepted: undefined,
    ...over,
  };
}

function settled(name: string, body: object): CollectionSpec {
  return parseCollectionSpec(body, CLUSTER, { name });
}

test("an object takes what it does not say from its cluster, once", () => {
  const [first] = judgeCollections([claim("u", "x", {})], CLUSTER).values();
  expect(first).toMatchObject({ kind: "accepted", spec: { replication: { factor: 3 } } });
  const accepted = settled("x", {});
  const later = { replication: { factor: 1, minReplicasForWrite: 1 } };
  const [second] = judgeCollections([claim("u", "x", {}, { accepted })], later).values();
  expect(second).toMatchObject({ kind: "accepted", spec: { replication: { factor: 3 } } });
});

test("of two that claim one name the older wins, and the one that was accepted before wins over both", () => {
  const older = claim("b", "x", {}, { createdAt: "2026-01-01T00:00:00Z" });
  const newer = claim("a", "x", {}, { createdAt: "2026-01-02T00:00:00Z" });
  expect(judgeCollections([newer, older], CLUSTER).get("a")).toMatchObject({ reason: "NameTaken" });
  expect(judgeCollections([newer, older], CLUSTER).get("b")).toMatchObject({ kind: "accepted" });
  const holder = { ...newer, accepted: settled("x", {}) };
  expect(judgeCollections([older, holder], CLUSTER).get("b")).toMatchObject({ reason: "NameTaken" });
  expect(judgeCollections([older], CLUSTER).get("b")).toMatchObject({ kind: "accepted" });
});

test("an object that never was valid holds no name", () => {
  const broken = claim("a", "x", { shards: 0 });
  const good = claim("b", "x", {}, { createdAt: "2026-01-02T00:00:00Z" });
  const verdicts = judgeCollections([broken, good], CLUSTER);
  expect(verdicts.get("a")).toMatchObject({ reason: "SpecInvalid" });
  expect(verdicts.get("b")).toMatchObject({ kind: "accepted" });
});

test("fields grow; whatever else changes is refused by name, and nothing of the change is taken", () => {
  const title = { name: "title", type: "text" };
  const accepted = settled("x", { fields: [title] });
  const change = (body: object): unknown =>
    judgeCollections([claim("u", "x", body, { accepted })], CLUSTER).get("u");
  expect(change({ fields: [title, { name: "year", type: "integer" }] })).toMatchObject({
    kind: "accepted",
    spec: { fields: [{ name: "title" }, { name: "year" }] },
  });
  expect(change({ fields: [title], shards: 5 })).toMatchObject({
    reason: "ChangeRefused",
    message: expect.stringContaining("/shards") as unknown,
  });
  expect(change({ fields: [] })).toMatchObject({ reason: "ChangeRefused" });
  expect(change({ fields: [{ name: "title", type: "keyword" }] })).toMatchObject({ reason: "ChangeRefused" });
  expect(change({ fields: [title], replication: { factor: 2 } })).toMatchObject({ reason: "ChangeRefused" });
});

test("an object that was accepted keeps its name while a change of it is refused", () => {
  const accepted = settled("x", {});
  const holder = claim("a", "x", { shards: 9 }, { accepted });
  const other = claim("b", "x", {});
  const verdicts = judgeCollections([holder, other], CLUSTER);
  expect(verdicts.get("a")).toMatchObject({ reason: "ChangeRefused" });
  expect(verdicts.get("b")).toMatchObject({ reason: "NameTaken" });
});
