import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { StatusResponse } from "@prism/api/status";
import { PrismClient } from "@prism/client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { History } from "../history.js";
import { OperatorProcess } from "../operator-process.js";
import { compile, cutPower, powerCutEnvironment } from "../power-cut.js";
import { seededRandom, type SeededRandom } from "../seeded-random.js";
import { ShardCopies } from "../shard-copies.js";
import { makeTestDirectory } from "../test-directory.js";
import { report, SEED, sized } from "../test-size.js";
import { Writers, WRITTEN_FIELDS } from "../writers.js";

const CUTS = sized(4, 50);
const CUTS_WITHOUT_SYNC = 3;
const COLLECTION = "journal";
const NODES = 3;

/** What is found after a cut: all that was acknowledged, too little of it, or stores that nodes refuse to use. */
type Finding = "whole" | "writesLost" | "storesRefused";

class CutCluster {
  readonly history = new History();
  readonly #dataDirectory: string;
  readonly #sideFiles: string;
  readonly #env: Readonly<Record<string, string>>;
  operator: OperatorProcess | undefined;
  /** To the stores of nodes and control plane. */
  writesUndone = 0;

  constructor(directory: string, library: string, env: Readonly<Record<string, string>>) {
    this.#dataDirectory = join(directory, "data");
    this.#sideFiles = join(directory, "side");
    this.#env = {
      ...env,
      ...powerCutEnvironment(library, this.#dataDirectory, this.#sideFiles),
      PRISM_POWER_CUT_SYNC_MS: "5",
    };
  }

  async start(): Promise<void> {
    await mkdir(this.#dataDirectory, { recursive: true });
    this.operator = await OperatorProcess.start({ dataDirectory: this.#dataDirectory, env: this.#env });
  }

  get running(): OperatorProcess {
    if (this.operator === undefined) throw new Error("the cluster is not started");
    return this.operator;
  }

  /** Writes for a while, then cuts the power in the middle of it. */
  async writeAndCut(cut: number, random: SeededRandom): Promise<void> {
    const urls = (await this.running.nodes()).map((node) => node.httpUrl);
    const client = new PrismClient({ endpoints: urls, retries: 0 });
    await client.createCollection(COLLECTION, { shards: 3, fields: WRITTEN_FIELDS });
    const settings = { collection: COLLECTION, writers: 8, idsPerWriter: 16, timeoutMs: 5000, resends: 0 };
    const writers = new Writers({
      ...settings,
      clients: [client],
      random: random.fork(`cut ${cut}`),
      prefix: `c${cut}-`,
      history: this.history,
    });
    try {
      await writers.progress(random.integer(20, 200), 60_000);
    } finally {
      await this.running.killAll();
      await writers.stop();
      await client.close();
    }
    for (const { path, writes } of await cutPower(this.#sideFiles)) {
      if (path.endsWith(".mdb")) this.writesUndone += writes;
    }
  }

  async readCopies(): Promise<ShardCopies> {
    return ShardCopies.read((await this.running.nodes()).map((node) => node.adminUrl));
  }
}

describe("a power cut", () => {
  let directory: Awaited<ReturnType<typeof makeTestDirectory>>;
  let library: string | undefined;
  let cluster: CutCluster | undefined;
  beforeEach(async () => {
    directory = await makeTestDirectory();
    library = await compile("power-cut", directory.path);
    if (library === undefined) console.log("the power-cut test did not run: there is no C compiler (cc)");
  });
  afterEach(async () => {
    if (cluster?.operator?.hasEnded === false) await cluster.operator.killAll();
    cluster = undefined;
    await directory.remove();
  });

  test("loses no acknowledged write, and leaves all copies equal", async () => {
    if (library === undefined) return;
    cluster = new CutCluster(directory.path, library, {});
    const random = seededRandom(SEED);
    await cluster.start();
    await cluster.running.ready();
    for (let cut = 0; cut < CUTS; cut += 1) {
      await cluster.writeAndCut(cut, random);
      await cluster.start();
      await cluster.running.settled();
      const copies = await cluster.readCopies();
      expect(copies.copies).toHaveLength(3 * NODES);
      for (const node of new Set(copies.copies.map((copy) => copy.node))) {
        const violations = cluster.history.check(copies.byCopyOf(node));
        expect(violations.slice(0, 10), `copies on ${node} after cut ${cut}`).toEqual([]);
      }
      expect(copies.differences(), `after cut ${cut}`).toEqual([]);
    }
    const { history, writesUndone } = cluster;
    report("power cut", {
      cuts: CUTS,
      acknowledged: history.acknowledged,
      writesUndone,
      ids: history.ids.length,
    });
    // Without writes to undo the cuts were mere kills.
    expect(writesUndone).toBeGreaterThan(CUTS);
  });

  test("loses acknowledged writes when nodes do not sync, and the check says so", async () => {
    if (library === undefined) return;
    cluster = new CutCluster(directory.path, library, { PRISM_UNSAFE_NO_SYNC: "1" });
    const random = seededRandom(SEED);
    await cluster.start();
    await cluster.running.ready();
    let finding: Finding = "whole";
    let cuts = 0;
    while (finding === "whole" && cuts < CUTS_WITHOUT_SYNC) {
      await cluster.writeAndCut(cuts, random);
      await cluster.start();
      finding = await findingOf(cluster);
      cuts += 1;
    }
    report("power cut without sync", { cuts, acknowledged: cluster.history.acknowledged, finding });
    expect(cluster.history.acknowledged).toBeGreaterThan(0);
    expect(finding).not.toBe("whole");
  });
});

async function findingOf(cluster: CutCluster): Promise<Finding> {
  const { shards } = await cluster.running.waitFor(
    "an end of the start",
    (status) => status.status === "ok" || isRefused(status),
  );
  if (isRefused({ shards })) return "storesRefused";
  const copies = await cluster.readCopies();
  return cluster.history.check(copies.documents()).length > 0 ? "writesLost" : "whole";
}

/** A shard whose every in-sync copy is known, by its running node, to be unusable. */
function isRefused({ shards }: Pick<StatusResponse, "shards">): boolean {
  return shards.some((shard) => {
    const inSync = shard.copies.filter((copy) => copy.inSync);
    return inSync.length > 0 && inSync.every((copy) => copy.role === "failed");
  });
}
