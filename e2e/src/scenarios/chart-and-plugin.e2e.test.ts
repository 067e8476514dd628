import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { kubeBinaries } from "../cluster/kube-binary.js";
import { runCommand } from "../cluster/run-command.js";
import { REPOSITORY } from "../images/image-content.js";
import { helm, Kubectl } from "../install/kubectl.js";
import {
  installOperator,
  OPERATOR_NAMESPACE,
  RELEASE,
  uninstallOperator,
} from "../scenario/operator-release.js";
import { CLUSTER, type Scenario } from "../scenario/scenario.js";
import { useScenario } from "../scenario/use-scenario.js";

const CHART = join(REPOSITORY, "charts", "prism");
const OPERATOR = ["--namespace", OPERATOR_NAMESPACE];
const NOTES = { shards: 1, fields: [{ name: "body", type: "text" as const }] };

/** As a user does: kubectl finds the plugin of this clone in the PATH. */
async function prism(namespace: string, ...args: readonly string[]): Promise<string> {
  const bin = await kubeBinaries();
  const env = {
    ...process.env,
    KUBECONFIG: process.env["PRISM_KUBECONFIG"],
    PATH: [REPOSITORY, bin, process.env["PATH"]].join(delimiter),
  };
  return runCommand([join(bin, "kubectl"), "prism", "--namespace", namespace, ...args], { env });
}

async function podIds(scenario: Scenario): Promise<string[]> {
  const pods = await scenario.pods();
  return pods
    .map(({ metadata, status }) => `${metadata.uid} ${status.containerStatuses?.[0]?.containerID}`)
    .sort();
}

describe("the chart and kubectl prism on three nodes", () => {
  const scenario = useScenario({ name: "chart" });
  const folders: string[] = [];

  afterAll(async () => {
    for (const folder of folders) await rm(folder, { recursive: true });
  });

  it("passes helm test", async () => {
    expect(await helm("test", RELEASE, ...OPERATOR, "--timeout", "120s")).toContain("Succeeded");
  });

  it("shows the cluster on one screen, through the API server", async () => {
    const { name } = scenario();
    const screen = await prism(name, "status");
    for (const pod of await scenario().pods()) expect(screen).toContain(pod.metadata.name);
    const status = JSON.parse(await prism(name, "--json", "--cluster", CLUSTER, "status")) as {
      status: string;
    };
    expect(status.status).toBe("ok");
  });

  it("makes, lists and searches collections, through the API server", async () => {
    const { name } = scenario();
    await prism(name, "collection", "create", "notes", "--text", "body", "--shards", "1");
    expect(await prism(name, "collection", "list")).toMatch(/notes +1 +3 +body:text/);
    const folder = await mkdtemp(join(tmpdir(), "prism-e2e-"));
    folders.push(folder);
    const client = await scenario().client();
    await client.collection("notes").put("a", { body: "war and taxes" });
    expect(await prism(name, "search", "notes", "taxes")).toContain("a");
    expect(await scenario().kubectl.run(["get", "prismcollections"])).toMatch(/demo +notes +1 +True/);
  });

  it("puts everything that others need to see into one bundle, and no Secret", async () => {
    const folder = await mkdtemp(join(tmpdir(), "prism-e2e-"));
    folders.push(folder);
    const file = join(folder, "bundle.json.gz");
    await prism(scenario().name, "debug", "bundle", file);
    const text = gunzipSync(await readFile(file)).toString();
    const bundle = JSON.parse(text) as {
      readonly status: { readonly clusterName: string };
      readonly objects: Readonly<Record<string, readonly unknown[]>>;
      readonly nodes: Readonly<Record<string, Readonly<Record<string, string>>>>;
    };
    expect(bundle.status.clusterName).toBe(CLUSTER);
    expect(bundle.objects["prismshards"]).toHaveLength(1);
    expect(Object.keys(bundle.nodes)).toHaveLength(3);
    for (const node of Object.values(bundle.nodes)) {
      expect(node["metrics"]).toContain("prism_");
      expect(node["log"]).toContain('"level"');
    }
    expect(text).not.toContain("BEGIN PRIVATE KEY");
  });

  it("upgrades the operator without a restart of any node", async () => {
    const before = await podIds(scenario());
    await helm("upgrade", RELEASE, CHART, ...OPERATOR, "--reuse-values", "--set", "logLevel=debug", "--wait");
    await scenario().ready();
    expect(await podIds(scenario())).toEqual(before);
  });

  it("leaves cluster, nodes and data when it is uninstalled, and takes them up again when it is installed", async () => {
    const before = await podIds(scenario());
    await uninstallOperator();
    const client = await scenario().client();
    // Every copy answers, so writes need no operator; a new collection does.
    await client.collection("notes").put("b", { body: "roads and canals" });
    expect((await client.collection("notes").count()).count).toBe(2);
    await expect(client.createCollection("more", NOTES)).rejects.toMatchObject({
      code: "controlPlaneUnavailable",
    });
    expect(await podIds(scenario())).toEqual(before);
    const definitions = await new Kubectl("default").run(["get", "crd", "-o", "name"]);
    expect(definitions).toContain("prismclusters.prism.dev");

    await installOperator();
    await scenario().ready();
    await client.createCollection("more", NOTES);
    expect(await podIds(scenario())).toEqual(before);
  });

  it("keeps a protected cluster, and keeps its data when it is deleted all the same", async () => {
    const { kubectl } = scenario();
    expect(await kubectl.refusal(["delete", "prismcluster", CLUSTER])).toContain("has deletionProtection");
    await kubectl.run([
      "patch",
      "prismcluster",
      CLUSTER,
      "--type=merge",
      "-p",
      '{"spec":{"deletionProtection":false}}',
    ]);
    await kubectl.run(["delete", "prismcluster", CLUSTER]);
    await kubectl.run(
      ["wait", "--for=delete", "pod", "-l", `prism.dev/cluster=${CLUSTER}`, "--timeout=120s"],
      undefined,
      130_000,
    );
    expect(await kubectl.run(["get", "pvc", "-o", "name"])).toContain("data-");
    expect(await kubectl.run(["get", "prismshards", "-o", "name"])).toContain("demo.notes.0");

    // The new pods are restricted ones, or the namespace would not take them.
    const restricted = "pod-security.kubernetes.io/enforce=restricted";
    await kubectl.run(["label", "namespace", scenario().name, restricted]);
    await scenario().apply(CLUSTER);
    await scenario().ready();
    const client = await scenario().client();
    expect((await client.collection("notes").count()).count).toBe(2);
  });
});
