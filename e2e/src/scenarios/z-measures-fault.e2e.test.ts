import { setTimeout as delay } from "node:timers/promises";
import { waitUntil } from "@prism/test/wait-until";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Kubectl } from "../install/kubectl.js";
import { recordFigure } from "../scenario/operation-figures.js";
import { leaderPod, leaseHolder, OPERATOR_NAMESPACE } from "../scenario/operator-release.js";
import { CLUSTER, Scenario, type Pod } from "../scenario/scenario.js";
import { Traffic } from "../scenario/traffic.js";

const TIMES = 3;
const RECOVERY_TIMEOUT_MS = 150_000;
const REST_MS = 20_000;
const TAKEOVER_LIMIT_MS = 30_000;
/** Said to be in order when a figure is above: it is a machine under load, and these are limits of sense, not aims. */
const WRITE_AGAIN_LIMIT_S = 30;

describe("how long things take", () => {
  let scenario: Scenario;
  let traffic: Traffic;
  let failed = false;

  beforeAll(async () => {
    scenario = await Scenario.begin("measures");
    const started = performance.now();
    await scenario.apply(CLUSTER);
    await scenario.ready();
    await recordFigure("apply to Ready", (performance.now() - started) / 1_000, "s");
  });

  afterAll(async () => {
    await scenario.end(failed);
  });

  /** Runs `fault` `TIMES` times, each time with everything in order, and records for how long writes stood still. */
  async function measure(what: string, fault: () => Promise<() => Promise<void>>): Promise<void> {
    failed = true;
    for (let time = 0; time < TIMES; time += 1) {
      traffic = await Traffic.start(scenario, { collection: `${what.replaceAll(" ", "-")}-${time}` });
      traffic.takeLongestGapMs();
      const repair = await fault();
      await traffic.progress(100);
      await delay(2_000);
      const seconds = traffic.takeLongestGapMs() / 1_000;
      await recordFigure(`${what} to write again`, seconds, "s");
      await repair();
      const { wrong } = await traffic.findings(what);
      expect(wrong).toEqual([]);
      expect(seconds).toBeLessThan(WRITE_AGAIN_LIMIT_S);
    }
    failed = false;
  }

  async function primaryPod(): Promise<Pod> {
    const client = await scenario.client();
    const [collection] = (await client.listCollections()).slice(-1);
    const { hostname } = new URL((await client.routing(collection!.name)).shards[0]!.primary!.httpUrl);
    return (await scenario.pods()).find(({ status }) => status.podIP === hostname)!;
  }

  async function killContainer(pod: Pod): Promise<() => Promise<void>> {
    const { containerID, restartCount } = pod.status.containerStatuses![0]!;
    await scenario.machine.node(pod.spec.nodeName!).killContainer(containerID);
    return async () => {
      await scenario.podReady(pod.metadata.name, RECOVERY_TIMEOUT_MS, ({ status }) =>
        status.containerStatuses!.some((one) => one.restartCount > restartCount),
      );
    };
  }

  it("kill of a primary's container", async () => {
    await measure("kill", async () => killContainer(await primaryPod()));
    expect(failed).toBe(false);
  });

  it("loss of a zone's network", async () => {
    await measure("zone cut", async () => {
      const pod = await primaryPod();
      await scenario.machine.cut(pod.spec.nodeName!);
      return async () => {
        await scenario.machine.heal();
        await scenario.podReady(pod.metadata.name, RECOVERY_TIMEOUT_MS);
      };
    });
    expect(failed).toBe(false);
  });

  it("loss of the operator's leader and a primary at once, by SIGKILL: nobody gives the lease back", async () => {
    const takeovers: Promise<void>[] = [];
    await measure("leader and primary lost together", async () => {
      const operators = new Kubectl(OPERATOR_NAMESPACE);
      const holder = await leaseHolder();
      const leader = (await operators.json("get", "pod", await leaderPod())) as Pod;
      const [repair] = await Promise.all([killContainer(await primaryPod()), killContainerOf(leader)]);
      takeovers.push(recordTakeover(holder));
      return repair;
    });
    await Promise.all(takeovers);
    expect(takeovers).toHaveLength(TIMES);
    expect(failed).toBe(false);
  });

  /** The one that was killed starts again meanwhile, and has to wait for the lease as well. */
  async function recordTakeover(before: string): Promise<void> {
    const killedMs = performance.now();
    await waitUntil("another leader", TAKEOVER_LIMIT_MS, async () => (await leaseHolder()) !== before);
    await recordFigure("leader killed to another leading", (performance.now() - killedMs) / 1_000, "s");
  }

  async function killContainerOf(pod: Pod): Promise<void> {
    await scenario.machine
      .node(pod.spec.nodeName!)
      .killContainer(pod.status.containerStatuses![0]!.containerID);
  }

  it("the operator at rest", async () => {
    failed = true;
    const pod = (await new Kubectl(OPERATOR_NAMESPACE).json("get", "pod", await leaderPod())) as Pod;
    const before = await usageOf(pod);
    await delay(REST_MS);
    const after = await usageOf(pod);
    const share = (after.processorSeconds - before.processorSeconds) / (REST_MS / 1_000);
    await recordFigure("memory of the operator's leader at rest", after.residentBytes / 2 ** 20, "MiB");
    await recordFigure("processor of the operator's leader at rest", share * 100, "% of a core");
    expect(share).toBeLessThan(0.5);
    failed = false;
  });

  async function usageOf(pod: Pod): Promise<{ processorSeconds: number; residentBytes: number }> {
    const text = await (await fetch(`http://${pod.status.podIP}:3090/metrics`)).text();
    const read = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? Number.NaN);
    const processorSeconds = read("process_cpu_seconds_total");
    const residentBytes = read("process_resident_memory_bytes");
    if (Number.isNaN(processorSeconds + residentBytes))
      throw new Error(`no figures of the process in: ${text}`);
    return { processorSeconds, residentBytes };
  }
});
