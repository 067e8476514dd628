import { waitUntil } from "@prism/test/wait-until";
import { describe, expect, it } from "vitest";
import { CLUSTER } from "../scenario/scenario.js";
import { Traffic } from "../scenario/traffic.js";
import { useScenario } from "../scenario/use-scenario.js";

const NOTICE_TIMEOUT_MS = 90_000;
const RETURN_TIMEOUT_MS = 180_000;

interface Blocker {
  readonly rule: string;
  readonly evidence: string;
}

describe("a machine that loses power, under load", () => {
  const scenario = useScenario({ name: "power" });

  async function blockers(): Promise<readonly Blocker[]> {
    const { status } = (await scenario().kubectl.json("get", "prismcluster", CLUSTER)) as {
      readonly status?: { readonly operation?: { readonly blockers?: readonly Blocker[] } };
    };
    return status?.operation?.blockers ?? [];
  }

  it("leaves its pod where it is, never with a second one beside it, and says why", async () => {
    const { machine } = scenario();
    const traffic = await Traffic.start(scenario());
    const before = await scenario().podOn("node-c");
    const { name, uid } = before.metadata;
    traffic.takeLongestGapMs();
    await machine.node("node-c").crash();
    try {
      await traffic.progress(50);
      await waitUntil("the wait is told", NOTICE_TIMEOUT_MS, async () => {
        return (await blockers()).some(
          ({ rule, evidence }) => rule === "MachineLost" && evidence.includes(name),
        );
      });
      await waitUntil("Kubernetes wants the pod to end", NOTICE_TIMEOUT_MS, async () => {
        return (await scenario().pod(name)).metadata.deletionTimestamp !== undefined;
      });
      // Its process may go on for all that anybody knows: it keeps its name and its volume to itself.
      expect((await scenario().pod(name)).metadata.uid).toBe(uid);
      expect(await scenario().pods()).toHaveLength(3);
      await traffic.progress(50);
    } finally {
      await machine.node("node-c").boot();
    }
    await scenario().podReady(name, RETURN_TIMEOUT_MS);
    expect((await traffic.findings("machine without power")).wrong).toEqual([]);
  });
});
