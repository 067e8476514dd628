/**
 * Links that fail while nodes live. Planted to see these tests fail: a primary that commits what it has on its
 * own disk alone ("cut both ways" finds writes lost), strong reads answered without waiting for the round of
 * questions (the same finds them stale), and a control plane that answers every removal that a primary asks for
 * instead of promoting another ("a primary that hears its peers no more" finds it still leading).
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ClusterUnderTest, NODE_NAMES, TEST_HEALTH } from "../cluster-under-test.js";
import { CONTROL_PLANE } from "../fault-network.js";
import { FaultLoad } from "../fault-load.js";
import { waitUntil } from "../wait-until.js";
import { WRITTEN_FIELDS } from "../writers.js";

const COLLECTION = "journal";
const PROGRESS = 60;
const TAKE_OVER_TIMEOUT_MS = 40_000;

describe("links between processes that live", () => {
  let cluster: ClusterUnderTest;
  let load: FaultLoad | undefined;
  beforeAll(async () => {
    cluster = await ClusterUnderTest.start({
      withNetwork: true,
      spec: { health: { ...TEST_HEALTH, slowReplicaTimeoutMs: 1500 } },
    });
    await cluster.createCollection(COLLECTION, { shards: 3, fields: WRITTEN_FIELDS });
  }, 120_000);
  afterEach(async () => {
    cluster?.network.heal();
    await load?.stop();
    load = undefined;
  });
  afterAll(async () => cluster?.close());

  /** A load with clients of all nodes and of the one that fails, under way, and that node, which leads a shard. */
  async function begin(prefix: string): Promise<{ running: FaultLoad; victim: string; others: string[] }> {
    const { shards } = await cluster.inSync();
    const victim = shards[0]!.primary!;
    load = new FaultLoad({ cluster, collection: COLLECTION, prefix, pinnedTo: [victim] });
    await load.progress(PROGRESS);
    return { running: load, victim, others: NODE_NAMES.filter((name) => name !== victim) };
  }

  async function untilOthersLead(victim: string): Promise<number> {
    const startMs = performance.now();
    await waitUntil(`primaries on other nodes than ${victim}`, TAKE_OVER_TIMEOUT_MS, () =>
      cluster.status().shards.every(({ primary }) => primary !== null && primary !== victim),
    );
    return Math.round(performance.now() - startMs);
  }

  async function healed(name: string, running: FaultLoad, figures: Record<string, unknown>) {
    cluster.network.heal();
    await cluster.inSync();
    await running.progress(PROGRESS);
    return running.findings(name, figures);
  }

  test("cut both ways around a primary's node: others take over, and it acknowledges nothing that is lost", async () => {
    const { running, victim } = await begin("both-");
    cluster.network.separate(victim);
    const takenOverMs = await untilOthersLead(victim);
    await running.progress(PROGRESS);
    expect(await healed("cut both ways", running, { takenOverMs })).toEqual([]);
  });

  test("cut one way, a primary that is heard by nobody: others take over", async () => {
    const { running, victim, others } = await begin("mute-");
    for (const other of [...others, CONTROL_PLANE]) cluster.network.impair(victim, other, { cut: true });
    const takenOverMs = await untilOthersLead(victim);
    await running.progress(PROGRESS);
    expect(await healed("cut one way, mute", running, { takenOverMs })).toEqual([]);
  });

  test("cut one way, a primary that hears nobody: others take over", async () => {
    const { running, victim, others } = await begin("deaf-");
    for (const other of [...others, CONTROL_PLANE]) cluster.network.impair(other, victim, { cut: true });
    const takenOverMs = await untilOthersLead(victim);
    await running.progress(PROGRESS);
    expect(await healed("cut one way, deaf", running, { takenOverMs })).toEqual([]);
  });

  test("cut one way, a primary that hears its peers no more and is healthy to the control plane: writes go on", async () => {
    const { running, victim, others } = await begin("halfdeaf-");
    for (const other of others) cluster.network.impair(other, victim, { cut: true });
    const takenOverMs = await untilOthersLead(victim);
    await running.progress(PROGRESS);
    expect(await healed("cut one way, deaf to peers", running, { takenOverMs })).toEqual([]);
  });

  test("cut between a node and the control plane alone: its primaries move, and no write fails for it", async () => {
    const { running, victim } = await begin("control-");
    cluster.network.separate(victim, [CONTROL_PLANE]);
    const takenOverMs = await untilOthersLead(victim);
    await running.progress(PROGRESS);
    expect(await healed("cut from the control plane", running, { takenOverMs })).toEqual([]);
  });

  test("cut between two nodes that everybody else sees: writes go on on all shards", async () => {
    const { running, victim, others } = await begin("pair-");
    cluster.network.separate(victim, [others[0]!]);
    await waitUntil("copies to leave", TAKE_OVER_TIMEOUT_MS, () =>
      cluster.status().shards.some(({ inSync, wanted }) => inSync < wanted),
    );
    await running.progress(3 * PROGRESS);
    expect(await healed("cut between two", running, {})).toEqual([]);
  });

  test("slow: a copy behind a link that is too slow leaves as such, writes go on, and it comes back", async () => {
    const { running, victim, others } = await begin("slow-");
    const since = Date.now();
    const slow = others[0]!;
    cluster.network.impair(victim, slow, { delayMs: 100, bytesPerSecond: 4000 });
    cluster.network.impair(slow, victim, { delayMs: 100, bytesPerSecond: 4000 });
    const reasons = await waitUntil("a copy to leave", TAKE_OVER_TIMEOUT_MS, () => {
      const removals = cluster.local
        .events()
        .filter(({ at, evidence }) => at >= since && evidence["change"] === "removeCopy");
      return removals.length > 0 && removals.map(({ reason }) => reason);
    });
    await running.progress(PROGRESS);
    expect(["TooSlow", "ReplicaTimeout"]).toContain(reasons[0]);
    expect(await healed("slow link", running, { reasons })).toEqual([]);
  });
});
