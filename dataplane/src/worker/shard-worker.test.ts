import { afterEach, expect, test } from "vitest";
import { CallFailed, clusterMap, until, WorkerHarness } from "./testing/worker-harness.js";

const open: WorkerHarness[] = [];

function start(options: ConstructorParameters<typeof WorkerHarness>[0] = {}): WorkerHarness {
  const harness = new WorkerHarness(options);
  open.push(harness);
  return harness;
}

/** A worker whose shard has one copy, which is its primary. */
async function startPrimary(
  options: ConstructorParameters<typeof WorkerHarness>[0] = {},
): Promise<WorkerHarness> {
  const harness = start(options);
  harness.applyMap(clusterMap(1));
  await until("primary", () => harness.report()?.role === "primary");
  return harness;
}

afterEach(async () => {
  for (const harness of open) await harness.closed();
  for (const harness of open.splice(0)) harness.remove();
});

const BOOK = {
  title: "The war of the worlds",
  year: 1898,
  genre: "novel",
  embedding: [0.6, 0.8],
  pages: 287,
};

async function restart(harness: WorkerHarness, term: number): Promise<WorkerHarness> {
  await harness.closed();
  open.splice(open.indexOf(harness), 1);
  const again = start({ directory: harness.directory });
  again.applyMap(clusterMap(1, { shard: { term, version: term, bootstrap: "" } }));
  await until("primary again", () => again.report()?.role === "primary");
  return again;
}

test("a written document is found at once by id, text, vector and filter", async () => {
  const worker = await startPrimary();
  const { outcomes, copies, zones } = await worker.write([{ id: "b1", document: BOOK }]);
  expect(outcomes[0]).toMatchObject({ result: "created", term: 1, seq: 2 });
  expect({ copies, zones }).toEqual({ copies: 1, zones: 1 });
  expect(await worker.get("b1")).toEqual(BOOK);
  expect(await worker.searchText("worlds")).toEqual(["b1"]);
  const near = {
    kind: "vector",
    field: "embedding",
    values: Float32Array.of(0.6, 0.8),
    candidates: 10,
  } as const;
  expect((await worker.search({ queries: [near] })).ids).toEqual(["b1"]);
  expect((await worker.search({ filter: { field: "year", gte: 1890 } })).total).toBe(1);
  expect((await worker.search({ filter: { field: "year", gte: 1900 } })).total).toBe(0);
});

test("what was acknowledged is found after a restart, and the numbers go on", async () => {
  const worker = await startPrimary();
  for (let i = 0; i < 50; i += 1) await worker.put(`b${i}`, { ...BOOK, year: 1850 + i });
  await worker.write([{ id: "b7", action: "delete" }]);
  const again = await restart(worker, 2);
  expect(await again.get("b7")).toBeUndefined();
  expect(await again.get("b8")).toEqual({ ...BOOK, year: 1858 });
  expect((await again.search({ filter: { field: "year", lt: 1860 } })).total).toBe(9);
  expect((await again.searchText("war")).length).toBe(10);
  // 1 no-op, 50 writes, 1 delete, 1 no-op of the new term.
  expect(await again.put("b7", BOOK)).toMatchObject({ result: "created", term: 2, seq: 54 });
});

test("a primary that restarted takes no writes in its old term", async () => {
  const worker = await startPrimary();
  await worker.put("b1", BOOK);
  await worker.closed();
  open.splice(open.indexOf(worker), 1);
  const again = start({ directory: worker.directory });
  again.applyMap(clusterMap(1));
  await until("serving", () => again.report()?.mapVersion === 1);
  await expect(again.put("b2", BOOK)).rejects.toMatchObject({ error: { code: "noPrimary", executed: "no" } });
  await until("readable", async () => (await again.get("b1").catch(() => undefined)) !== undefined);
});

test("a retry is answered with the first try's result, also after a restart", async () => {
  const worker = await startPrimary();
  const statement = { id: "b1", document: BOOK, operationId: "op-1" };
  const first = (await worker.write([statement])).outcomes[0]!;
  await worker.put("b1", { ...BOOK, year: 1900 });
  expect((await worker.write([statement])).outcomes[0]).toEqual(first);
  const again = await restart(worker, 2);
  expect((await again.write([statement])).outcomes[0]).toEqual(first);
  expect(await again.get("b1")).toEqual({ ...BOOK, year: 1900 });
});

test("operations of one call see those before them, and one that is refused leaves the others", async () => {
  const worker = await startPrimary();
  const { outcomes } = await worker.write([
    { id: "b1", action: "create", document: { year: 1 } },
    { id: "b1", action: "create", document: { year: 2 } },
    { id: "b1", action: "patch", document: { genre: "novel" } },
    { id: "b2", action: "patch", document: { genre: "novel" } },
    { id: "b3", document: { year: "no number" } },
    { id: "b4", action: "delete" },
    { id: "b5", document: { year: 5 }, operationId: "same" },
    { id: "b5", document: { year: 5 }, operationId: "same" },
  ]);
  expect(outcomes.map(({ result, error }) => error?.code ?? result)).toEqual([
    "created",
    "documentExists",
    "updated",
    "documentNotFound",
    "wrongFieldType",
    "unchanged",
    "created",
    "created",
  ]);
  expect(outcomes[7]!.seq).toBe(outcomes[6]!.seq);
  expect(await worker.get("b1")).toEqual({ year: 1, genre: "novel" });
});

test("conditions hold for committed and for pending versions", async () => {
  const worker = await startPrimary();
  const { term, seq } = await worker.put("b1", BOOK);
  const version = `${term}.${seq}`;
  // Both are in flight at once: the second is checked against the first, which is not committed yet.
  const [one, two] = await Promise.all([
    worker.write([{ id: "b1", document: BOOK, ifMatch: version }]),
    worker.write([{ id: "b1", document: BOOK, ifMatch: version }]),
  ]);
  expect(one.outcomes[0]!.result).toBe("updated");
  expect(two.outcomes[0]!.error?.code).toBe("versionConflict");
});

test("a scan goes through all ids in byte order", async () => {
  const worker = await startPrimary();
  const ids = ["b", "a", "\u{1F600}", "\uFFFD", "ä", "aa"];
  await worker.write(ids.map((id) => ({ id, document: { year: 1 } })));
  const ordered = ids.toSorted((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
  expect(await worker.scan("", 100)).toEqual(ordered);
  expect(await worker.scan("aa", 2)).toEqual(ordered.slice(2, 4));
});

test("a read waits for the sequence number it asks for, until its time is up", async () => {
  const worker = await startPrimary();
  const reading = worker.get("b1", 2);
  await worker.put("b1", BOOK);
  expect(await reading).toEqual(BOOK);
});

test("a member without data is reported, not made anew", async () => {
  const worker = start();
  worker.applyMap(clusterMap(1, { shard: { version: 3, term: 2, bootstrap: "" } }));
  await until("reported", () => worker.report() !== undefined);
  expect(worker.report()).toMatchObject({ role: "failed", reason: "CopyFailed", allocationId: "a1" });
  await expect(worker.get("b1")).rejects.toBeInstanceOf(CallFailed);
});

test("data goes when two maps in a row know neither shard nor collection, and not before", async () => {
  const worker = await startPrimary();
  await worker.put("b1", BOOK);
  worker.applyMap(clusterMap(1, { revision: 2, without: "shard" }));
  worker.applyMap(clusterMap(1, { revision: 3, without: "shard" }));
  worker.applyMap(clusterMap(1, { revision: 4, without: "collection" }));
  expect(await worker.get("b1")).toEqual(BOOK);
  worker.applyMap(clusterMap(1, { revision: 4, without: "collection" }));
  expect(await worker.get("b1")).toEqual(BOOK);
  worker.applyMap(clusterMap(1, { revision: 5, without: "collection" }));
  await expect(worker.get("b1")).rejects.toMatchObject({ error: { code: "shardUnavailable" } });
});
