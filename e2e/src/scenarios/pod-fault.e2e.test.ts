import { describe, expect, it } from "vitest";
import { useScenario } from "../scenario/use-scenario.js";
import { Traffic } from "../scenario/traffic.js";

/** Generous: a machine of two processors runs everything. */
const RESTART_TIMEOUT_MS = 120_000;

describe("pods that end, under load", () => {
  const scenario = useScenario({ name: "pods" });

  it("goes on when a node's container is killed: nothing acknowledged is lost", async () => {
    const { machine } = scenario();
    const traffic = await Traffic.start(scenario(), { collection: "killed" });
    const before = await scenario().podOn("node-a");
    traffic.takeLongestGapMs();
    await machine.node("node-a").killContainer(before.status.containerStatuses![0]!.containerID);
    await traffic.progress(50);
    const restarts = before.status.containerStatuses![0]!.restartCount;
    const after = await scenario().podReady(before.metadata.name, RESTART_TIMEOUT_MS, (pod) =>
      pod.status.containerStatuses!.some(({ restartCount }) => restartCount > restarts),
    );
    expect(after.metadata.uid).toBe(before.metadata.uid);
    expect((await traffic.findings("container killed")).wrong).toEqual([]);
  });

  it("goes on when a pod is deleted: its successor has the data and takes its place", async () => {
    const traffic = await Traffic.start(scenario(), { collection: "deleted" });
    const before = await scenario().podOn("node-b");
    await scenario().kubectl.run(["delete", "pod", before.metadata.name, "--wait=false"]);
    await traffic.progress(50);
    const after = await scenario().podReady(
      before.metadata.name,
      RESTART_TIMEOUT_MS,
      (pod) => pod.metadata.uid !== before.metadata.uid,
    );
    expect(after.spec.nodeName).toBe("node-b");
    expect((await traffic.findings("pod deleted")).wrong).toEqual([]);
  });
});
