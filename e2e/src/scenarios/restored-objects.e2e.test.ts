import { waitUntil } from "@prism/test/wait-until";
import { describe, expect, it } from "vitest";
import { CLUSTER } from "../scenario/scenario.js";
import { Traffic } from "../scenario/traffic.js";
import { useScenario } from "../scenario/use-scenario.js";

const RESTORE_TIMEOUT_MS = 60_000;
const RESTART_TIMEOUT_MS = 150_000;

interface StatefulSet {
  readonly metadata: { readonly uid: string };
  readonly spec: { readonly replicas: number; readonly template: { readonly spec: unknown } };
}

describe("objects that somebody deletes or edits, under load", () => {
  const scenario = useScenario({ name: "restored" });

  async function statefulSetOf(pod: string): Promise<string> {
    const { metadata } = (await scenario().kubectl.json("get", "pod", pod)) as {
      readonly metadata: { readonly ownerReferences: readonly { readonly name: string }[] };
    };
    return metadata.ownerReferences[0]!.name;
  }

  async function statefulSet(name: string): Promise<StatefulSet> {
    return (await scenario().kubectl.json("get", "statefulset", name)) as StatefulSet;
  }

  async function eventsOf(reason: string): Promise<string> {
    return await scenario().kubectl.run([
      "get",
      "events",
      "--field-selector",
      `reason=${reason}`,
      "-o",
      "name",
    ]);
  }

  it("come back: a StatefulSet without its pods takes these in again, none of them restarts", async () => {
    const traffic = await Traffic.start(scenario(), { collection: "orphans" });
    const pod = await scenario().podOn("node-a");
    const name = await statefulSetOf(pod.metadata.name);
    const before = await statefulSet(name);
    await scenario().kubectl.run(["delete", "statefulset", name, "--cascade=orphan"]);
    await waitUntil("the StatefulSet is back", RESTORE_TIMEOUT_MS, async () => {
      return (await statefulSet(name)).metadata.uid !== before.metadata.uid;
    });
    await waitUntil("it has the pod", RESTORE_TIMEOUT_MS, async () => {
      return (await statefulSetOf(pod.metadata.name)) === name;
    });
    const after = await scenario().pod(pod.metadata.name);
    expect(after.metadata.uid).toBe(pod.metadata.uid);
    expect(await eventsOf("WorkloadRestored")).not.toBe("");
    expect((await traffic.findings("StatefulSet orphaned")).wrong).toEqual([]);
  });

  it("come back: a StatefulSet deleted with its pods, on the volumes that they had", async () => {
    const traffic = await Traffic.start(scenario(), { collection: "deleted" });
    const pod = await scenario().podOn("node-b");
    const name = await statefulSetOf(pod.metadata.name);
    await scenario().kubectl.run(["delete", "statefulset", name, "--wait=false"]);
    await scenario().podReady(
      pod.metadata.name,
      RESTART_TIMEOUT_MS,
      (now) => now.metadata.uid !== pod.metadata.uid,
    );
    await traffic.progress(50);
    expect((await traffic.findings("StatefulSet deleted")).wrong).toEqual([]);
  });

  it("are set back: replicas, image, services and the budget", async () => {
    const { kubectl } = scenario();
    const pod = await scenario().podOn("node-c");
    const name = await statefulSetOf(pod.metadata.name);
    await kubectl.run(["scale", "statefulset", name, "--replicas=0"]);
    await waitUntil("replicas are set back", RESTORE_TIMEOUT_MS, async () => {
      return (await statefulSet(name)).spec.replicas === 1;
    });
    await kubectl.run(["set", "image", `statefulset/${name}`, "node=localhost/other:1"]);
    await waitUntil("the image is set back", RESTORE_TIMEOUT_MS, async () => {
      return !JSON.stringify((await statefulSet(name)).spec.template).includes("localhost/other");
    });
    await kubectl.run(["delete", "service", CLUSTER, `${CLUSTER}-nodes`]);
    await kubectl.run(["delete", "poddisruptionbudget", CLUSTER]);
    await waitUntil("services and budget are back", RESTORE_TIMEOUT_MS, async () => {
      await kubectl.run(["get", "service", CLUSTER, `${CLUSTER}-nodes`]);
      await kubectl.run(["get", "poddisruptionbudget", CLUSTER]);
      return true;
    });
    expect(await eventsOf("DriftCorrected")).not.toBe("");
    await scenario().podReady(pod.metadata.name, RESTART_TIMEOUT_MS);
    await scenario().ready();
  });
});
