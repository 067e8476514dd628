import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Kubectl } from "../install/kubectl.js";
import { CLUSTER, Scenario } from "../scenario/scenario.js";

const LABEL = "topology.kubernetes.io/zone";
const MACHINES = ["a", "b", "c"];

/** The shortest PrismCluster of the README, on machines that nobody labelled. */
describe("machines without zones", () => {
  let scenario: Scenario;
  let failed = true;

  beforeAll(async () => {
    scenario = await Scenario.begin("unlabelled");
    for (const one of MACHINES)
      await new Kubectl("default").run(["label", "node", `node-${one}`, `${LABEL}-`]);
  });

  afterAll(async () => {
    for (const one of MACHINES)
      await new Kubectl("default").run([
        "label",
        "--overwrite",
        "node",
        `node-${one}`,
        `${LABEL}=zone-${one}`,
      ]);
    await scenario.end(failed);
  });

  async function domainOf(): Promise<string> {
    return await scenario.kubectl.run([
      "get",
      "prismcluster",
      CLUSTER,
      "-o",
      "jsonpath={.status.topology.domain}",
    ]);
  }

  it("take a node each: copies never share one", async () => {
    await scenario.apply(CLUSTER);
    await scenario.ready();
    const pods = await scenario.pods();
    expect(pods.map(({ metadata }) => metadata.name).sort()).toEqual(["demo-0", "demo-1", "demo-2"]);
    expect(new Set(pods.map(({ spec }) => spec.nodeName)).size).toBe(3);
    expect(await domainOf()).toBe("Host");
    expect(await scenario.condition("ZoneLossTolerated")).toMatchObject({ status: "False" });
    const client = await scenario.client();
    await client.createCollection("c", { fields: [{ name: "title", type: "text" }] });
    await client.collection("c").put("1", { title: "one" });
    expect((await client.collection("c").count()).count).toBe(1);
    await scenario.kubectl.run(["patch", "prismcluster", CLUSTER, "--type=merge", "-p", DELETABLE]);
    await scenario.kubectl.run(["delete", "prismcluster", CLUSTER]);
  });

  it("take all nodes together when there is only one of them", async () => {
    const nodeSelector = { "kubernetes.io/hostname": "node-a" };
    await scenario.kubectl.run(["delete", "namespace", "unlabelled", "--timeout=120s"], undefined, 130_000);
    await scenario.kubectl.run(["create", "namespace", "unlabelled"]);
    await scenario.apply(CLUSTER, { pod: { nodeSelector } });
    await scenario.ready();
    const pods = await scenario.pods();
    expect(pods.map(({ spec }) => spec.nodeName)).toEqual(["node-a", "node-a", "node-a"]);
    expect(await domainOf()).toBe("None");
    const client = await scenario.client();
    await client.createCollection("c", { fields: [{ name: "title", type: "text" }] });
    await client.collection("c").put("1", { title: "one" });
    expect((await client.collection("c").count()).count).toBe(1);
    failed = false;
  });
});

const DELETABLE = JSON.stringify({ spec: { deletionProtection: false } });
