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

  test("warns of what only Kubernetes makes use of, and says where it is", () => {
    const warnings: string[] = [];
    const file = `${GOOD}  storage: { size: 1Gi }\n  topology: { zones: [{ name: a, storageClassName: fast }] }\n`;
    parseClusterFile(file, "cluster.yaml", (line) => warnings.push(line));
    expect(warnings).toEqual([
      "cluster.yaml:8:12: spec.storage: ignored in local mode",
      "cluster.yaml:9:52: spec.topology.zones.0.storageClassName: ignored in local mode",
    ]);
  });

  test("refuses what local mode would only pretend to do", () => {
    expect(errorOf(`${GOOD}  paused: true\n  storage: { type: Ephemeral }\n`).split("\n")).toEqual([
      "cluster.yaml:9:20: spec.storage.type: Ephemeral: local mode keeps the data of its nodes; leave it out",
      "cluster.yaml:8:11: spec.paused: true: local mode changes nothing but at its start; leave it out",
    ]);
  });
});
