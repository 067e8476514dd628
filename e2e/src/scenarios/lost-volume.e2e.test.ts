import { waitUntil } from "@prism/test/wait-until";
import { describe, expect, it } from "vitest";
import type { Scenario } from "../scenario/scenario.js";
import { Traffic } from "../scenario/traffic.js";
import { useScenario } from "../scenario/use-scenario.js";

const REFILL_TIMEOUT_MS = 150_000;

/** The identity that is kept on a node's volume. */
async function nodeIdOf(scenario: Scenario, pod: string): Promise<string> {
  const node = (await scenario.kubectl.json("get", "prismnode", pod)) as {
    readonly status?: { readonly nodeId?: string };
  };
  return node.status?.nodeId ?? "";
}

async function isNewNode(scenario: Scenario, pod: string, before: string): Promise<void> {
  await waitUntil(`${pod} is another node`, REFILL_TIMEOUT_MS, async () => {
    const now = await nodeIdOf(scenario, pod);
    return now !== "" && now !== before;
  });
}

describe("a node's volume that is lost, under load", () => {
  const scenario = useScenario({ name: "lost-volume" });

  it("is a new node's: its copies are filled by their peers, and nothing acknowledged is lost", async () => {
    const traffic = await Traffic.start(scenario());
    const [pod] = await scenario().pods();
    const name = pod!.metadata.name;
    const before = await nodeIdOf(scenario(), name);
    const { kubectl } = scenario();
    await kubectl.run(["delete", "pvc", `data-${name}`, "--wait=false"]);
    await kubectl.run(["delete", "pod", name, "--wait=false"]);
    await isNewNode(scenario(), name, before);
    await scenario().podReady(name, REFILL_TIMEOUT_MS);
    await traffic.progress(50);
    expect((await traffic.findings("volume lost")).wrong).toEqual([]);
  });
});

describe("nodes without volumes, under load", () => {
  const scenario = useScenario({ name: "ephemeral", spec: { storage: { type: "Ephemeral", size: "1Gi" } } });

  it("come back as new nodes that their peers fill", async () => {
    const traffic = await Traffic.start(scenario());
    const claims = await scenario().kubectl.run(["get", "pvc", "-o", "name"]);
    expect(claims).toBe("");
    const [pod] = await scenario().pods();
    const name = pod!.metadata.name;
    const before = await nodeIdOf(scenario(), name);
    await scenario().kubectl.run(["delete", "pod", name, "--wait=false"]);
    await isNewNode(scenario(), name, before);
    await traffic.progress(50);
    expect((await traffic.findings("ephemeral pod deleted")).wrong).toEqual([]);
  });
});
