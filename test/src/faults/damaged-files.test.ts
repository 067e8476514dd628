/**
 * Files that are damaged while their node is down: cut short, overwritten, empty. The node must say so, must
 * not end at every start, must never answer with what it can't vouch for, and its copies come from the others.
 *
 * Planted to see them fail: checksums that are not compared (a running node answers with changed letters), and
 * stores that are never set aside (a node with half a store ends at every start).
 *
 * "What is read is right or refused" found documents that a running node took for absent, because the key that
 * led to them was damaged, which no checksum covers; since then such a look-up is taken for damage.
 */
import { existsSync } from "node:fs";
import { open, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ClusterUnderTest } from "../cluster-under-test.js";
import { FaultLoad } from "../fault-load.js";
import { seededRandom, type SeededRandom } from "../seeded-random.js";
import { report, SEED, sized } from "../test-size.js";
import { waitUntil } from "../wait-until.js";
import { WRITTEN_FIELDS } from "../writers.js";

const COLLECTION = "journal";
const DOCUMENTS = 3000;
const PAGE_BYTES = 4096;
/** A store that ends the process does so at two starts before it is looked into. */
const MOST_ENDS = 4;
const REPAIR_TIMEOUT_MS = 120_000;
const FLIPPED_PAGES = sized(20, 200);

describe("a node whose files are damaged while it is down", () => {
  let cluster: ClusterUnderTest;
  let victim: string;
  beforeAll(async () => {
    cluster = await ClusterUnderTest.start({ workersPerNode: 1 });
    await cluster.createCollection(COLLECTION, { shards: 2, fields: WRITTEN_FIELDS });
    const lines = Array.from({ length: DOCUMENTS }, (_, counter) => ({
      id: `base${counter}`,
      document: documentOf(counter),
    }));
    const { failed } = await cluster.client().collection(COLLECTION).bulk(lines);
    if (failed > 0) throw new Error(`${failed} documents were not written`);
    await cluster.settled();
    victim = cluster.local.nodeNames()[1]!;
  }, 120_000);
  afterAll(async () => cluster?.close());

  const store = (): string => join(cluster.nodeData(victim), "stores", "0", "data.mdb");

  /** Damages the node's files while writes go on without it; then it must come back whole. */
  async function expectRepaired(
    name: string,
    damage: (random: SeededRandom) => Promise<void>,
    signal: "SIGKILL" | "SIGTERM" = "SIGKILL",
  ): Promise<void> {
    const load = new FaultLoad({ cluster, collection: COLLECTION, prefix: `${name}-` });
    const endsBefore = ends();
    try {
      await load.progress(30);
      await cluster.local.node(victim).stop(signal);
      await damage(seededRandom(SEED).fork(name));
      await cluster.local.node(victim).start();
      await cluster.inSync(REPAIR_TIMEOUT_MS);
      await load.progress(30);
      expect(await load.findings(`damaged: ${name}`, { ends: ends() - endsBefore })).toEqual([]);
      // The killing itself is one.
      expect(ends() - endsBefore).toBeLessThanOrEqual(1 + MOST_ENDS);
      await expectBaseOnEveryCopy();
    } finally {
      await load.stop();
    }
  }

  function ends(): number {
    return cluster.local
      .events()
      .filter(({ about, reason }) => about === `node/${victim}` && reason === "WorkloadExited").length;
  }

  async function expectBaseOnEveryCopy(): Promise<void> {
    const copies = await cluster.readCopies();
    for (const name of cluster.local.nodeNames()) {
      const documents = [...copies.byCopyOf(name)].filter(([id]) => id.startsWith("base"));
      expect(documents).toHaveLength(DOCUMENTS);
      for (const [id, { value }] of documents) expect(value).toBe(`${id.slice(4)}/-`);
    }
    const found = await cluster
      .client({ endpoints: cluster.local.node(victim).httpUrl!, routing: false })
      .collection(COLLECTION)
      .search({ queries: [{ text: { query: "word42", fields: ["body"] } }] });
    expect(found.results.map(({ id }) => id)).toEqual(["base42"]);
  }

  test("its store cut in half is set aside, and filled from the others", async () => {
    await expectRepaired("store cut in half", async () => truncate(store(), (await stat(store())).size / 2));
    expect(await logOf(cluster, victim)).toContain("a store is damaged and was set aside");
    expect(existsSync(join(cluster.nodeData(victim), "stores", "0.damaged"))).toBe(true);
  });

  test("its store overwritten with noise", async () => {
    await expectRepaired("store of noise", async (random) => {
      await writeFile(store(), noise(random, (await stat(store())).size));
    });
  });

  test("its store empty", async () => {
    await expectRepaired("empty store", async () => truncate(store(), 0));
  });

  test("pages of its store overwritten with noise", async () => {
    await expectRepaired("pages of noise", async (random) => {
      await overwrite(store(), FLIPPED_PAGES, PAGE_BYTES, random);
    });
  });

  test("single bits of its store flipped: no copy ever answers with them", async () => {
    await expectRepaired("flipped bits", async (random) => {
      await flipBits(store(), 200, random);
    });
  });

  test("its index files overwritten, and the manifest of one cut short", async () => {
    let files = 0;
    const damage = async (random: SeededRandom): Promise<void> => {
      for (const file of await filesBelow(join(cluster.nodeData(victim), "indexes"))) {
        const { size } = await stat(file);
        if (size === 0) continue;
        files += 1;
        if (random.chance(0.3)) await truncate(file, Math.floor(size / 2));
        else await flipBits(file, 1 + Math.floor(size / 1000), random);
      }
    };
    // A node that is told to stop saves its indexes.
    await expectRepaired("index files", damage, "SIGTERM");
    expect(files).toBeGreaterThan(4);
  });

  test("its saved map overwritten", async () => {
    await expectRepaired("saved map", async (random) => {
      await writeFile(join(cluster.nodeData(victim), "cluster-map.bin"), noise(random, 500));
    });
  });

  test.each(["format.json", "node.json"])(
    "its %s damaged: it refuses with one line that says what to do, the others go on, and emptied it is filled",
    async (name) => {
      const load = new FaultLoad({ cluster, collection: COLLECTION, prefix: `${name}-` });
      try {
        await load.progress(30);
        const node = cluster.local.node(victim);
        await node.stop("SIGKILL");
        const before = (await logOf(cluster, victim)).length;
        await writeFile(join(cluster.nodeData(victim), name), "{ half a fi");
        await node.start();
        const line = await waitUntil("the node to refuse", 30_000, async () => {
          const lines = (await logOf(cluster, victim)).slice(before).split("\n");
          return lines.find((text) => text.includes('"level":60'));
        });
        expect(line).toContain(name);
        await load.progress(60);
        await node.stop();
        await rm(cluster.nodeData(victim), { recursive: true });
        await node.start();
        await cluster.inSync(REPAIR_TIMEOUT_MS);
        expect(await load.findings(`damaged: ${name}`)).toEqual([]);
        await expectBaseOnEveryCopy();
      } finally {
        await load.stop();
      }
    },
  );

  test.each([
    ["letters of its documents", (path: string) => changeLetters(path, "war and word", 400)],
    ["any bits", (path: string) => flipBits(path, 300, seededRandom(SEED).fork("running"))],
  ] as const)("a running node with %s changed: what is read is right or refused", async (what, damage) => {
    const client = cluster.client({
      endpoints: cluster.local.node(victim).httpUrl!,
      routing: false,
      retries: 0,
    });
    await damage(store());
    const answers = { right: 0, refused: 0 };
    const wrong: unknown[] = [];
    for (let i = 0; i < DOCUMENTS; i += 3) {
      const found = await client
        .collection(COLLECTION)
        .get(`base${i}`, { consistency: "eventual" })
        .catch(() => "refused" as const);
      if (found === "refused") answers.refused += 1;
      else if (isDeepStrictEqual(found?.fields, documentOf(i))) answers.right += 1;
      else wrong.push({ i, found });
    }
    report(`damaged: running, ${what}`, answers);
    expect(wrong).toEqual([]);
    expect(answers.right).toBeGreaterThan(0);
    await cluster.inSync(REPAIR_TIMEOUT_MS);
    await expectBaseOnEveryCopy();
  });
});

function documentOf(counter: number): Record<string, unknown> {
  return { counter, body: `war and word${counter}`, tag: "base" };
}

/** Of so many places where the file has this text, the first letter. */
async function changeLetters(path: string, text: string, places: number): Promise<void> {
  const bytes = await readFile(path);
  const file = await open(path, "r+");
  try {
    let at = -1;
    for (let i = 0; i < places; i += 1) {
      at = bytes.indexOf(text, at + 1);
      if (at < 0) break;
      await file.write(Buffer.from("W"), 0, 1, at);
    }
    if (at < 0) throw new Error(`the file does not have ${text} in so many places`);
  } finally {
    await file.close();
  }
}

async function logOf(cluster: ClusterUnderTest, name: string): Promise<string> {
  return readFile(join(cluster.nodeData(name), "..", "node.log"), "utf8");
}

function noise(random: SeededRandom, bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, () => random.integer(0, 255)));
}

async function overwrite(path: string, places: number, bytes: number, random: SeededRandom): Promise<void> {
  const file = await open(path, "r+");
  try {
    const pages = Math.floor((await file.stat()).size / bytes);
    for (let i = 0; i < places; i += 1) {
      await file.write(noise(random, bytes), 0, bytes, bytes * random.integer(0, pages - 1));
    }
  } finally {
    await file.close();
  }
}

async function flipBits(path: string, bits: number, random: SeededRandom): Promise<void> {
  const file = await open(path, "r+");
  try {
    const { size } = await file.stat();
    const one = Buffer.alloc(1);
    for (let i = 0; i < bits; i += 1) {
      const at = random.integer(0, size - 1);
      await file.read(one, 0, 1, at);
      one[0]! ^= 1 << random.integer(0, 7);
      await file.write(one, 0, 1, at);
    }
  } finally {
    await file.close();
  }
}

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
