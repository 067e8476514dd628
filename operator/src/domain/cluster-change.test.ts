import { parseCluster, type ClusterSettings } from "@prism/api/cluster";
import { expect, test } from "vitest";
import { changeRefusal } from "./cluster-change.js";
import { localNodeName } from "./node-place.js";

function settings(spec: object): ClusterSettings {
  return parseCluster({
    apiVersion: "prism.dev/v1alpha1",
    kind: "PrismCluster",
    metadata: { name: "demo" },
    spec: { version: "0.1.0", ...spec },
  }).spec;
}

function refusal(before: object, after: object): string | undefined {
  return changeRefusal(settings(before), settings(after), localNodeName);
}

const zones = (...names: string[]): object => ({ zones: names.map((name) => ({ name })) });

test("settings change and nodes grow freely", () => {
  expect(refusal({ nodes: 3 }, { nodes: 7, search: { timeoutMs: 5 } })).toBeUndefined();
  expect(
    refusal({ nodes: 3, topology: zones("a", "b", "c") }, { nodes: 4, topology: zones("a", "b", "c", "d") }),
  ).toBe(undefined);
});

test("a cluster neither shrinks nor changes its mode, and it is said what to do instead", () => {
  expect(refusal({ nodes: 5 }, { nodes: 4 })).toContain("set it to 5 or more");
  expect(refusal({ mode: "Single" }, { mode: "Cluster" })).toContain("make another cluster");
});

test("no node loses its place to another list of zones", () => {
  const before = { nodes: 6, topology: zones("a", "b", "c") };
  expect(refusal(before, { nodes: 6, topology: zones("a", "b", "c", "d") })).toContain("node-c-1");
  expect(refusal(before, { nodes: 9, topology: zones("b", "c", "d") })).toContain("node-a-0");
  expect(refusal(before, { nodes: 8, topology: zones("a", "b", "c", "d") })).toBeUndefined();
});
