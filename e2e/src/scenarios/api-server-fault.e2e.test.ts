import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { useScenario } from "../scenario/use-scenario.js";
import { Traffic } from "../scenario/traffic.js";

const AWAY_MS = 60_000;
const RECOVERY_TIMEOUT_MS = 150_000;

describe("an API server that is away for a minute, under load", () => {
  const scenario = useScenario({ name: "api-server" });

  afterEach(async () => {
    await scenario().machine.start("kube-apiserver");
  });

  it("is missed by no search and no write", async () => {
    const { machine } = scenario();
    const traffic = await Traffic.start(scenario(), { collection: "alone" });
    traffic.takeLongestGapMs();
    await machine.kill("kube-apiserver");
    const acknowledged = traffic.acknowledged;
    // The time itself is what is tested: nothing may end with it.
    await delay(AWAY_MS);
    expect(traffic.acknowledged).toBeGreaterThan(acknowledged + 100);
    const gapMs = traffic.takeLongestGapMs();
    await machine.start("kube-apiserver");
    await traffic.progress(50);
    const { wrong, figures } = await traffic.findings("API server away");
    console.log(`API server away for ${AWAY_MS / 1_000} s: longest gap between writes ${gapMs} ms`);
    expect(wrong).toEqual([]);
    expect(figures.failedAtDefaults).toBe(0);
    expect(figures.failedSearches).toBe(0);
  });

  it("lets searches go on when a node ends meanwhile, and writes when it is back", async () => {
    const { machine } = scenario();
    const traffic = await Traffic.start(scenario(), { collection: "bereft" });
    const pod = await scenario().podOn("node-a");
    await machine.kill("kube-apiserver");
    await machine.node("node-a").crash();
    const { searches } = traffic;
    await delay(AWAY_MS / 2);
    // Few, but some: until Kubernetes knows better, the Service leads every third connection to the dead node.
    expect(traffic.searches).toBeGreaterThan(searches + 3);
    await machine.start("kube-apiserver");
    await traffic.progress(50);
    await machine.node("node-a").boot();
    await scenario().podReady(pod.metadata.name, RECOVERY_TIMEOUT_MS);
    expect((await traffic.findings("API server away, a node ended")).wrong).toEqual([]);
  });
});
