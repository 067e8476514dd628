import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ClusterUnderTest } from "../cluster-under-test.js";
import { PrismCommand } from "../prism-command.js";
import { waitUntil } from "../wait-until.js";

const SHARD = "notes/0";
const FIELDS = [{ name: "title", type: "text" }] as const;

let cluster: ClusterUnderTest;
beforeAll(async () => {
  cluster = await ClusterUnderTest.start();
}, 120_000);
afterAll(async () => cluster?.close());

function shard() {
  return cluster.status().shards[0]!;
}

function command(args: readonly string[]) {
  const prism = new PrismCommand(cluster.dataDirectory);
  return prism.run(["--endpoint", cluster.urls().join(","), ...args]);
}

describe("a shard whose last copy in sync is gone for good", () => {
  test("goes on with what is left when a person accepts the loss, and not before", async () => {
    const replication = { factor: 3, minReplicasForWrite: 1 };
    await cluster.createCollection("notes", { shards: 1, replication, fields: FIELDS });
    const notes = cluster.client().collection("notes");
    for (let i = 0; i < 50; i += 1) await notes.put(`d${i}`, { title: `speech ${i}` });
    await cluster.settled();
    const last = shard().primary!;
    const others = cluster.local.nodeNames().filter((name) => name !== last);
    for (const name of others) await cluster.local.node(name).stop("SIGKILL");
    await waitUntil("one copy in sync", 30_000, () => shard().inSync === 1 && shard().primary === last);
    for (let i = 0; i < 7; i += 1) await notes.put(`late${i}`, { title: "only one copy has it" });
    await waitUntil("the control plane to hear of them", 30_000, () =>
      cluster.status().shards.some(({ copies }) => copies.some(({ documents }) => documents === 57)),
    );

    const alive = await command(["shard", "accept-data-loss", SHARD, "--yes-name", SHARD]);
    expect(alive.code).toBe(1);
    expect(alive.stderr).toMatch(/refused: copy .* is in sync and lives: nothing is lost/);

    await cluster.local.node(last).stop("SIGKILL");
    for (const name of others) await cluster.local.node(name).start();
    await waitUntil("both others", 30_000, () =>
      others.every((name) => cluster.status().nodes.some((node) => node.name === name && node.ready)),
    );
    await waitUntil("the loss is seen", 30_000, () => {
      const reasons = cluster.status().problems.map((problem) => problem.reason);
      const node = cluster.status().nodes.find((one) => one.name === last);
      return reasons.includes("LastInSyncCopyAway") && node?.state === "dead";
    });
    const session = notes.session;
    const unsure = await command(["shard", "accept-data-loss", SHARD, "--yes-name", "notes/1"]);
    expect(unsure.code).toBe(2);
    expect(shard().primary).toBeNull();

    const before = shard().term;
    const accepted = await command(["shard", "accept-data-loss", SHARD, "--yes-name", SHARD]);
    expect(accepted).toMatchObject({ code: 0, stderr: "" });
    expect(accepted.stdout).toMatch(/in sync +\S+ +\S+ +dead +[\d,]+/);
    expect(accepted.stdout).toMatch(/At least [1-9]\d* operations would be lost/);
    expect(accepted.stdout).toContain(`${SHARD} goes on with `);
    await waitUntil("two copies in sync", 30_000, () => shard().inSync === 2 && shard().primary !== null);
    expect(shard().term).toBeGreaterThan(before);
    const [event] = cluster.local.events().filter(({ reason }) => reason === "DataLossAccepted");
    expect(event?.about).toMatch(/^shard\//);
    expect(JSON.stringify(event?.evidence)).toContain("given");

    const fresh = cluster.client().collection("notes");
    for (const id of ["d0", "d49"]) expect(await fresh.get(id)).toBeDefined();
    expect(await fresh.get("late0")).toBeUndefined();
    await fresh.put("after", { title: "written in the new history" });
    const stale = fresh.search({ consistency: { level: "readYourWrites", session } });
    await expect(stale).rejects.toMatchObject({ code: "historyLost" });

    // The old member comes back: its data are of a history that was given up.
    await cluster.local.node(last).start();
    await cluster.settled(60_000);
    expect(shard().inSync).toBe(3);
    expect(await fresh.get("late0")).toBeUndefined();
    expect(await fresh.get("after")).toBeDefined();
    expect((await fresh.verify()).status).toBe("equal");
  });
});
