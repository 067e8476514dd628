import { describe, expect, test } from "vitest";
import { apiVersionOf, collectionPath, objectPath, type Resource } from "./resource.js";

const PODS: Resource = { group: "", version: "v1", kind: "Pod", plural: "pods", namespaced: true };
const SETS: Resource = {
  group: "apps",
  version: "v1",
  kind: "StatefulSet",
  plural: "statefulsets",
  namespaced: true,
};
const NODES: Resource = { group: "", version: "v1", kind: "Node", plural: "nodes", namespaced: false };

describe("paths of resources", () => {
  test("are those of the API", () => {
    expect(apiVersionOf(PODS)).toBe("v1");
    expect(apiVersionOf(SETS)).toBe("apps/v1");
    expect(collectionPath(PODS)).toBe("/api/v1/pods");
    expect(collectionPath(SETS, "x")).toBe("/apis/apps/v1/namespaces/x/statefulsets");
    expect(objectPath(SETS, { namespace: "x", name: "a" }, "status")).toBe(
      "/apis/apps/v1/namespaces/x/statefulsets/a/status",
    );
    expect(objectPath(NODES, { name: "n" })).toBe("/api/v1/nodes/n");
  });

  test.each(["", ".", "..", "a/b"])("no object is called %j: it would be another path", (name) => {
    expect(() => objectPath(PODS, { namespace: "x", name })).toThrow(TypeError);
    expect(() => objectPath(PODS, { namespace: name === "" ? ".." : name, name: "a" })).toThrow(TypeError);
  });

  test("a namespaced object without its namespace would be a path to all of them", () => {
    expect(() => objectPath(PODS, { name: "a" })).toThrow("needs a namespace");
    expect(() => collectionPath(NODES, "x")).toThrow("has no namespaces");
  });
});
