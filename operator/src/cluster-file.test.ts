import { describe, expect, test } from "vitest";
import { ClusterFileError, parseClusterFile } from "./cluster-file.js";

const GOOD = `apiVersion: prism.dev/v1alpha1
kind: PrismCluster
metadata:
  name: demo
spec:
  version: 0.1.0
  nodes: 3
`;

function errorOf(text: string): string {
  try {
    parseClusterFile(text, "cluster.yaml");
  } catch (error) {
    if (error instanceof ClusterFileError) return error.message;
    throw error;
  }
  throw new Error("no error");
}

describe("cluster file", () => {
  test("gives the cluster with its defaults", () => {
    const cluster = parseClusterFile(GOOD, "cluster.yaml");
    expect(cluster.metadata.name).toBe("demo");
    expect(cluster.spec.replication).toEqual({ factor: 3, minReplicasForWrite: 2 });
  });

  test("says where a value is wrong", () => {
    expect(errorOf(GOOD.replace("nodes: 3", "nodes: three"))).toMatch(/^cluster\.yaml:7:10: spec\.nodes: /);
  });

  test("names every unknown and wrong key at once", () => {
    const lines = errorOf(GOOD.replace("nodes: 3", "nodez: 3\n  mode: Both")).split("\n");
    expect(lines).toHaveLength(2);
    expect(lines.join("\n")).toContain("nodez");
    expect(lines.join("\n")).toContain("spec.mode");
  });

  test("says where the YAML itself is wrong", () => {
    expect(errorOf("spec: [1, 2\nkind: x")).toMatch(/^cluster\.yaml:2:/);
  });

  test("refuses an empty file and a second document", () => {
    expect(errorOf("")).toContain("cluster.yaml:1:1:");
    expect(errorOf(`${GOOD}---\n${GOOD}`)).toContain("one PrismCluster");
  });
});
