import { waitUntil } from "@prism/test/wait-until";
import { describe, expect, it } from "vitest";
import { useScenario } from "../scenario/use-scenario.js";
import { Traffic } from "../scenario/traffic.js";

const NOT_READY_TIMEOUT_MS = 60_000;
/** The kubelet's connections wait out their retransmission pauses first. */
const HEAL_TIMEOUT_MS = 150_000;

describe("a node that is cut off the network, under load", () => {
  const scenario = useScenario({ name: "network" });

  it("refuses writes where it is, while the others go on, and is in sync again when it is healed", async () => {
    const { machine } = scenario();
    const traffic = await Traffic.start(scenario());
    const pod = await scenario().podOn("node-b");
    traffic.takeLongestGapMs();
    await machine.cut("node-b");
    await traffic.progress(100);
    expect(await writesInside("node-b", pod.status.podIP!)).toBe("refused");
    await waitUntil("Kubernetes knows that the node is away", NOT_READY_TIMEOUT_MS, async () => {
      const now = await scenario().pod(pod.metadata.name);
      return now.status.conditions?.find(({ type }) => type === "Ready")?.status === "False";
    });
    const gapMs = traffic.takeLongestGapMs();
    await traffic.progress(100);
    await machine.heal();
    await scenario().podReady(pod.metadata.name, HEAL_TIMEOUT_MS);
    const { wrong, figures } = await traffic.findings("node cut off");
    console.log(
      `cut to write again: at most ${gapMs} ms; ${figures.failedSearches} of ${figures.searches} searches failed`,
    );
    expect(wrong).toEqual([]);
  });

  /** What a client in the cut-off node's own network gets for a write to each shard: the worst of it. */
  async function writesInside(node: string, address: string): Promise<string> {
    const script = `for i in 0 1 2 3 4 5; do
      curl -s -m 6 -o /dev/null -w '%{http_code} ' -X PUT -H 'content-type: application/json' \
        -d '{"counter":0,"body":"cut off"}' "http://${address}:3080/api/v1/collections/traffic/documents/cut-$i" || true
    done`;
    const codes = (await scenario().machine.node(node).run(["bash", "-c", script])).trim().split(" ");
    return codes.some((code) => code.startsWith("2")) ? `accepted: ${codes.join(" ")}` : "refused";
  }
});

describe("two nodes that can't reach each other", () => {
  const scenario = useScenario({ name: "split" });

  it("leave every shard with one writer", async () => {
    const { machine } = scenario();
    const traffic = await Traffic.start(scenario());
    await machine.split("node-a", "node-c");
    await traffic.progress(200);
    await machine.heal();
    await traffic.progress(50);
    expect((await traffic.findings("two nodes split")).wrong).toEqual([]);
  });
});
