import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PrismClient } from "@prism/client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isAlive, OperatorProcess, type OperatorOptions } from "../operator-process.js";
import { makeTestDirectory } from "../test-directory.js";
import { waitUntil } from "../wait-until.js";

const DOCUMENTS = 500;
const COLLECTION = "speeches";
const FIELDS = [
  { name: "title", type: "text" },
  { name: "year", type: "integer" },
  { name: "embedding", type: "vector", dimensions: 4 },
] as const;

let directory: Awaited<ReturnType<typeof makeTestDirectory>>;
const operators: OperatorProcess[] = [];
beforeEach(async () => {
  directory = await makeTestDirectory();
});
afterEach(async () => {
  for (const operator of operators.splice(0)) if (!operator.hasEnded) await operator.killAll();
  await directory.remove();
});

async function start(options: Partial<OperatorOptions> = {}): Promise<OperatorProcess> {
  const dataDirectory = join(directory.path, "data");
  const operator = await OperatorProcess.start({ dataDirectory, spec: { mode: "Single" }, ...options });
  operators.push(operator);
  return operator;
}

async function clientOf(operator: OperatorProcess): Promise<PrismClient> {
  return new PrismClient({ endpoints: (await operator.nodes()).map((node) => node.httpUrl) });
}

function documentOf(i: number): Record<string, unknown> {
  return { title: `speech number${i}`, year: 1800 + (i % 200), embedding: [1, i, i % 7, i % 11] };
}

/** Everything that was loaded is there, by id and by each kind of search. */
async function expectAll(operator: OperatorProcess): Promise<void> {
  const client = await clientOf(operator);
  const collection = client.collection(COLLECTION);
  try {
    let scanned = 0;
    for await (const { id, fields } of collection.scan({ include: ["*"] })) {
      expect(fields).toEqual(documentOf(Number(id.slice(1))));
      scanned += 1;
    }
    expect(scanned).toBe(DOCUMENTS);
    const text = await collection.search({ queries: [{ text: { query: "number7", fields: ["title"] } }] });
    expect(text.results.map(({ id }) => id)).toEqual(["s7"]);
    const vector = { field: "embedding", values: documentOf(42)["embedding"] as number[] };
    const nearest = await collection.search({ queries: [{ vector }], limit: 1 });
    expect(nearest.results[0]?.id).toBe("s42");
    expect((await collection.count({ filter: { field: "year", gte: 1900 } })).count).toBe(
      Array.from({ length: DOCUMENTS }, (_, i) => i).filter((i) => i % 200 >= 100).length,
    );
  } finally {
    await client.close();
  }
}

describe("a single node", () => {
  test("keeps its data over an orderly end and over a kill", async () => {
    const first = await start();
    await first.ready();
    const client = await clientOf(first);
    await client.createCollection(COLLECTION, { fields: FIELDS });
    const lines = Array.from({ length: DOCUMENTS }, (_, i) => ({ id: `s${i}`, document: documentOf(i) }));
    expect(await client.collection(COLLECTION).bulk(lines)).toMatchObject({
      succeeded: DOCUMENTS,
      failed: 0,
    });
    await client.close();
    await expectAll(first);
    const pids = (await first.nodes()).map(({ pid }) => pid);
    await first.stop("SIGTERM");
    expect(await first.ended()).toBe(0);
    expect(pids.filter(isAlive)).toEqual([]);

    const second = await start();
    await second.ready();
    await expectAll(second);
    await second.killAll();

    const third = await start();
    await third.ready();
    await expectAll(third);
    // A node whose operator is gone ends by itself: nothing holds the data that nobody watches over.
    const [node] = await third.nodes();
    await third.stop("SIGKILL");
    await waitUntil("the node to follow its operator", 15_000, () => !isAlive(node!.pid));
    const fourth = await start();
    await fourth.ready();
    await expectAll(fourth);
  });

  test("refuses data of a newer format with one line that says what to do, and leaves it alone", async () => {
    const first = await start();
    await first.ready();
    await first.stop();
    const [name] = ["node-a-0"];
    const nodeDirectory = join(directory.path, "data", "nodes", name);
    const path = join(nodeDirectory, "data", "format.json");
    const newer = JSON.stringify({ format: 9, minReader: 9, writtenBy: "9.0.0", stores: 1 });
    await writeFile(path, newer);
    const second = await start();
    const fatal = await waitUntil("the node to refuse", 30_000, async () => {
      const lines = (await readFile(join(nodeDirectory, "node.log"), "utf8")).split("\n");
      return lines.find((line) => line.includes('"level":60'));
    });
    const { detail } = JSON.parse(fatal) as { readonly detail: string };
    expect(detail).toContain("the data is in format 9, written by 9.0.0");
    expect(detail).toContain("Start version 9.0.0 or newer");
    const { problems } = await second.waitFor("the problem to be told", (status) =>
      status.problems.some(({ reason }) => reason === "WorkloadBackOff"),
    );
    expect(problems.map(({ object }) => object)).toContain(`node/${name}`);
    expect(await readFile(path, "utf8")).toBe(newer);
  });

  test("belongs to one operator: a second one on its data directory refuses, and the first goes on", async () => {
    const first = await start();
    await first.ready();
    const second = await start();
    expect(await second.ended()).toBe(1);
    // Log lines, as those of settings that local mode ignores, are objects.
    const lines = second.output.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(`is held by process ${first.pid}`);
    await first.ready();
  });
});
