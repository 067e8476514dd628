/**
 * Disks that fill up, get slow, fail or turn read-only under running nodes. The test of input/output errors found
 * copies that never came back, because nothing opened their store again. Planted to see the first test fail: a
 * node that keeps no reserve.
 */
import { execFile } from "node:child_process";
import { mkdir, open, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ClusterUnderTest, NODE_NAMES, TEST_HEALTH } from "../cluster-under-test.js";
import { FaultLoad } from "../fault-load.js";
import { compile } from "../power-cut.js";
import { SickDisk } from "../sick-disk.js";
import { makeTestDirectory } from "../test-directory.js";
import { waitUntil } from "../wait-until.js";
import { WRITTEN_FIELDS } from "../writers.js";

const COLLECTION = "journal";
const PROGRESS = 60;
const MiB = 1024 * 1024;
const PAGE_BYTES = 4096;
const DISK_BYTES = 320 * MiB;
/** Ample: in a test that takes long on a busy machine the stores grow by megabytes. */
const RESERVE_BYTES = 160 * MiB;
const NOTICE_TIMEOUT_MS = 40_000;
const HEALTH = { ...TEST_HEALTH, slowReplicaTimeoutMs: 1500 };
const run = promisify(execFile);

let cluster: ClusterUnderTest | undefined;
let load: FaultLoad | undefined;
let undo: (() => Promise<unknown>)[] = [];
beforeEach(() => {
  undo = [];
});
afterEach(async () => {
  await load?.stop();
  await cluster?.stop();
  for (const step of undo.toReversed()) await step();
  await cluster?.close();
  [cluster, load] = [undefined, undefined];
});

async function start(options: Parameters<typeof ClusterUnderTest.start>[0]): Promise<ClusterUnderTest> {
  cluster = await ClusterUnderTest.start({ workersPerNode: 1, spec: { health: HEALTH }, ...options });
  await cluster.createCollection(COLLECTION, { shards: 3, fields: WRITTEN_FIELDS });
  return cluster;
}

function begin(running: ClusterUnderTest, prefix: string): FaultLoad {
  load = new FaultLoad({ cluster: running, collection: COLLECTION, prefix });
  return load;
}

/** Fills the file system of this directory until so many bytes are free. */
async function fill(directory: string, freeBytes: number): Promise<void> {
  const file = await open(join(directory, "ballast"), "a");
  try {
    for (;;) {
      const { bavail, bsize } = await statfs(directory);
      const left = bavail * bsize - freeBytes;
      if (left < PAGE_BYTES && freeBytes > 0) return;
      await file.write(Buffer.alloc(Math.min(MiB, Math.max(left, PAGE_BYTES)), 1));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  } finally {
    await file.close();
  }
}

describe("a small disk that fills up", () => {
  async function startOnSmallDisk(): Promise<{ running: ClusterUnderTest; victim: string } | undefined> {
    const victim = NODE_NAMES[1];
    try {
      const running = await start({
        nodeEnv: { PRISM_LIMITS_DISK_RESERVE_BYTES: String(RESERVE_BYTES) },
        prepare: async (dataDirectory) => {
          const directory = join(dataDirectory, "nodes", victim, "data");
          await mkdir(directory, { recursive: true });
          await run("mount", ["-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "tmpfs", directory]);
          undo.push(() => run("umount", ["--lazy", directory]));
        },
      });
      return { running, victim };
    } catch (error) {
      if (undo.length > 0) throw error;
      console.log("the tests of full disks did not run: a file system can't be mounted here");
      return undefined;
    }
  }

  test("leads nothing any more before it is full, keeps its copies in sync, and all goes on", async () => {
    const started = await startOnSmallDisk();
    if (started === undefined) return;
    const { running, victim } = started;
    const inSync = await running.inSync();
    expect(inSync.shards.some(({ primary }) => primary === victim)).toBe(true);
    const base = running.client({ retries: 0 }).collection(COLLECTION);
    for (let i = 0; i < 60; i += 1) await base.put(`base${i}`, { counter: i, body: "war", tag: "base" });
    const working = begin(running, "reserve-");
    await working.progress(PROGRESS);
    await fill(running.nodeData(victim), RESERVE_BYTES / 2);
    await waitUntil("copies with room to lead", NOTICE_TIMEOUT_MS, () =>
      running.status().shards.every(({ primary }) => primary !== null && primary !== victim),
    );
    working.takeSearches();
    for (let i = 0; i < 60; i += 1) {
      expect(["deleted", "unchanged"]).toContain((await base.delete(`base${i}`)).result);
    }
    await working.progress(PROGRESS);
    const searches = working.takeSearches();
    expect(searches).toMatchObject({ partial: 0, failed: 0 });
    expect(searches.complete).toBeGreaterThan(0);
    // Nobody had to leave for it: copies on the small disk go on from the reserve.
    expect(running.status().shards.every(({ inSync, wanted }) => inSync === wanted)).toBe(true);
    await rm(join(running.nodeData(victim), "ballast"));
    for (let i = 0; i < 12; i += 1) await base.put(`again${i}`, { counter: i, body: "war" });
    for (let i = 0; i < 12; i += 1) await base.delete(`again${i}`);
    expect(await working.findings("disk below its reserve", { searches })).toEqual([]);
  });

  test("full to the last byte it acknowledges nothing that it can't keep, and heals with its space", async () => {
    const started = await startOnSmallDisk();
    if (started === undefined) return;
    const { running, victim } = started;
    const working = begin(running, "full-");
    await working.progress(PROGRESS);
    await fill(running.nodeData(victim), 0);
    await waitUntil("the node to notice", NOTICE_TIMEOUT_MS, () => {
      const { shards } = running.status();
      return shards.some(({ inSync, wanted }) => inSync < wanted);
    });
    await working.progress(PROGRESS);
    await rm(join(running.nodeData(victim), "ballast"));
    await running.inSync();
    await working.progress(PROGRESS);
    expect(await working.findings("disk full")).toEqual([]);
  });
});

describe("a disk that is sick", () => {
  async function startOnSickDisk(): Promise<{ running: ClusterUnderTest; disk: SickDisk } | undefined> {
    const directory = await makeTestDirectory();
    undo.push(() => directory.remove());
    const library = await compile("sick-disk", directory.path);
    if (library === undefined) {
      console.log("the tests of sick disks did not run: there is no C compiler (cc)");
      return undefined;
    }
    const disk = await SickDisk.make(library, directory.path);
    undo.push(() => disk.close());
    return { running: await start({ nodeEnv: disk.environment }), disk };
  }

  const filesOf = (node: string): string => `/nodes/${node}/data/stores/0/data.mdb`;

  test("and slow costs the copy its place among those that are waited for, not the writers their pace", async () => {
    const started = await startOnSickDisk();
    if (started === undefined) return;
    const { running, disk } = started;
    const { shards } = await running.inSync();
    const victim = NODE_NAMES.find((name) => shards[0]!.primary !== name)!;
    const working = begin(running, "slow-");
    await working.progress(PROGRESS);
    const since = Date.now();
    await disk.become("slow", filesOf(victim), 2500);
    const left = await waitUntil("the slow copy to leave", NOTICE_TIMEOUT_MS, () => {
      const removals = running.local
        .events()
        .filter(({ at, evidence }) => at >= since && evidence["change"] === "removeCopy");
      return removals.length > 0 && removals.map(({ reason }) => reason);
    });
    await working.progress(PROGRESS);
    await disk.heal();
    await running.inSync();
    await working.progress(PROGRESS);
    expect(await working.findings("slow disk", { left })).toEqual([]);
  });

  test.each([["inputOutputError"], ["readOnly"]] as const)(
    "with %s stops the copies on it, others take over, and it comes back when the disk does",
    async (how) => {
      const started = await startOnSickDisk();
      if (started === undefined) return;
      const { running, disk } = started;
      const victim = (await running.inSync()).shards[0]!.primary!;
      const working = begin(running, `${how}-`);
      await working.progress(PROGRESS);
      await disk.become(how, filesOf(victim));
      await waitUntil("other primaries", NOTICE_TIMEOUT_MS, () =>
        running.status().shards.every(({ primary }) => primary !== null && primary !== victim),
      );
      await working.progress(PROGRESS);
      await disk.heal();
      await running.inSync();
      await working.progress(PROGRESS);
      expect(await working.findings(`disk with ${how}`)).toEqual([]);
    },
  );
});
