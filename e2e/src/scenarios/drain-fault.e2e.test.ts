import { waitUntil } from "@prism/test/wait-until";
import { describe, expect, it } from "vitest";
import { CLUSTER } from "../scenario/scenario.js";
import { ShardRecords } from "../scenario/shard-records.js";
import { Traffic } from "../scenario/traffic.js";
import { useScenario } from "../scenario/use-scenario.js";

const DRAIN_TIMEOUT_MS = 150_000;

describe("machines that are drained one after the other, under load", () => {
  const scenario = useScenario({ name: "drains" });

  async function drain(machine: string): Promise<void> {
    const options = [
      "--ignore-daemonsets",
      "--delete-emptydir-data",
      `--timeout=${DRAIN_TIMEOUT_MS / 1000}s`,
    ];
    await scenario().kubectl.run(["drain", machine, ...options], undefined, DRAIN_TIMEOUT_MS + 10_000);
  }

  async function uncordon(machine: string): Promise<void> {
    await scenario().kubectl.run(["uncordon", machine]);
  }

  it("are emptied one at a time: the next waits until every copy is in sync again", async () => {
    const traffic = await Traffic.start(scenario());
    const records = await ShardRecords.watch("drains");
    try {
      await waitUntil("all shards are watched", 30_000, () => records.inSync.length === 3);
      const first = await scenario().podOn("node-a");
      const second = await scenario().podOn("node-b");
      const begun = performance.now();
      await drain("node-a");
      // Its volume is there and nowhere else: the pod waits, and says so, until the machine takes pods again.
      const budget = await waitUntil("the budget is closed", 30_000, async () => {
        const found = (await scenario().kubectl.json("get", "pdb", CLUSTER)) as {
          readonly spec: { readonly maxUnavailable: number };
        };
        return found.spec.maxUnavailable === 0 ? found : undefined;
      });
      expect(budget.spec.maxUnavailable).toBe(0);
      await uncordon("node-a");
      // Looked at before the pod begins to hand over: for its first seconds it only waits for clients to leave.
      const whenSecondGoes = waitUntil("the second pod is evicted", DRAIN_TIMEOUT_MS, async () => {
        const { deletionTimestamp } = (await scenario().pod(second.metadata.name)).metadata;
        return deletionTimestamp === undefined ? undefined : records.inSync;
      });
      await Promise.all([drain("node-b"), whenSecondGoes]);
      expect(await whenSecondGoes).toEqual([3, 3, 3]);
      const again = await scenario().pod(first.metadata.name);
      expect(again.metadata.uid).not.toBe(first.metadata.uid);
      await uncordon("node-b");
      console.log(`two drains: ${((performance.now() - begun) / 1000).toFixed(1)} s`);
      await traffic.progress(50);
      expect((await traffic.findings("two drains in a row")).wrong).toEqual([]);
    } finally {
      records.stop();
      await uncordon("node-a");
      await uncordon("node-b");
    }
  });

  it("say what they wait for: a pod whose machine takes none is no reason to wait in the dark", async () => {
    const pod = await scenario().podOn("node-c");
    try {
      await drain("node-c");
      const blocker = await waitUntil("the wait is told", 60_000, async () => {
        const { status } = (await scenario().kubectl.json("get", "prismcluster", CLUSTER)) as {
          readonly status?: { readonly operation?: { readonly blockers?: readonly Blocker[] } };
        };
        return status?.operation?.blockers?.find(({ evidence }) =>
          evidence.startsWith(`${pod.metadata.name}:`),
        );
      });
      expect(["VolumeOnLostMachine", "PodUnschedulable"]).toContain(blocker.rule);
      expect(blocker.unblock).not.toBe("");
    } finally {
      await uncordon("node-c");
    }
    await scenario().podReady(pod.metadata.name, 120_000);
  });
});

interface Blocker {
  readonly rule: string;
  readonly evidence: string;
  readonly unblock: string;
}
