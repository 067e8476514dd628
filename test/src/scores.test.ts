import { clusteredVectors } from "@prism/dataplane/engine/vector/testing/clustered-vectors";
import type { SearchResponse } from "@prism/api/search";
import type { BulkOperation, CollectionClient, SearchInput } from "@prism/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ClusterUnderTest } from "./cluster-under-test.js";
import { seededRandom } from "./seeded-random.js";
import { report, SEED, sized } from "./test-size.js";
import { waitUntil } from "./wait-until.js";

const DOCUMENTS = 1500;
const VECTORS = sized(20_000, 20_000);
const DIMENSIONS = 32;
const QUERIES = 50;
const NEAREST = 10;
const WORDS = Array.from({ length: 300 }, (_, i) => `word${i}`);
const PARTIES = ["Whig", "Republican", "Democrat", "Federalist"];
const FIELDS = [
  { name: "title", type: "text" },
  { name: "body", type: "text" },
  { name: "party", type: "keyword" },
  { name: "year", type: "integer" },
  { name: "embedding", type: "vector", dimensions: 8, metric: "cosine" },
  { name: "place", type: "vector", dimensions: 2, metric: "l2" },
] as const;

let cluster: ClusterUnderTest;
beforeAll(async () => {
  cluster = await ClusterUnderTest.start();
}, 120_000);
afterAll(async () => cluster?.close());

describe("three shards", () => {
  test("find what one shard finds, with the same scores", async () => {
    const client = cluster.client();
    const collections: CollectionClient[] = [];
    for (const shards of [1, 3]) {
      await cluster.createCollection(`of-${shards}`, { shards, fields: FIELDS });
      const collection = client.collection(`of-${shards}`);
      const loaded = await collection.bulk(documents());
      expect(loaded).toMatchObject({ failed: 0 });
      // Statistics must forget what was replaced and deleted.
      await collection.bulk(changes());
      collections.push(collection);
    }
    const random = seededRandom(SEED);
    let compared = 0;
    for (const search of searches(random)) {
      const [one, three] = await Promise.all(collections.map((collection) => collection.search(search)));
      expectAlike(search, one!, three!);
      compared += one!.results.length;
    }
    report("scores", { searches: searches(seededRandom(SEED)).length, compared });
  });
});

describe("the vector index", () => {
  test("finds nearly all of the nearest by its graph: when new, after deletes, and after a restart", async () => {
    const client = cluster.client();
    const fields = [{ name: "embedding", type: "vector", dimensions: DIMENSIONS, metric: "cosine" }] as const;
    await cluster.createCollection("vectors", { shards: 3, fields });
    const collection = client.collection("vectors");
    const next = clusteredVectors(DIMENSIONS, 100, SEED);
    const vectors = new Map(Array.from({ length: VECTORS }, (_, i) => [`v${i}`, next()]));
    const lines = [...vectors].map(([id, vector]) => ({ id, document: { embedding: [...vector] } }));
    const startedMs = performance.now();
    expect(await collection.bulk(lines, { batchLines: 1000 })).toMatchObject({ failed: 0 });
    const loadedMs = Math.round(performance.now() - startedMs);
    const queries = Array.from({ length: QUERIES }, next);
    await answerByGraph(collection, queries[0]!);
    const graphMs = Math.round(performance.now() - startedMs);
    const fresh = await recallOf(collection, vectors, queries);

    const deleted = [...vectors.keys()].filter((_, i) => i % 10 < 3);
    const deletes = deleted.map((id): BulkOperation => ({ action: "delete", id }));
    expect(await collection.bulk(deletes)).toMatchObject({ failed: 0 });
    for (const id of deleted) vectors.delete(id);
    await answerByGraph(collection, queries[0]!);
    const afterDeletes = await recallOf(collection, vectors, queries);

    await cluster.settled();
    await cluster.stop();
    await cluster.startAgain();
    await cluster.settled();
    await answerByGraph(collection, queries[0]!);
    const afterRestart = await recallOf(collection, vectors, queries);
    report("recall", { vectors: VECTORS, loadedMs, graphMs, fresh, afterDeletes, afterRestart });
    expect(Math.min(fresh, afterDeletes, afterRestart)).toBeGreaterThanOrEqual(0.98);
  });
});

function documents(): BulkOperation[] {
  const random = seededRandom(SEED);
  const vector = clusteredVectors(8, 12, SEED);
  return Array.from({ length: DOCUMENTS }, (_, i) => ({
    id: `d${i}`,
    document: {
      title: text(random, random.integer(2, 6)),
      body: text(random, random.integer(5, 60)),
      party: random.chance(0.2) ? [random.pick(PARTIES), random.pick(PARTIES)] : random.pick(PARTIES),
      year: random.integer(1789, 2020),
      ...(random.chance(0.9) ? { embedding: [...vector()] } : {}),
      place: [random.next() * 10, random.next() * 10],
    },
  }));
}

function changes(): BulkOperation[] {
  const random = seededRandom(SEED + 1);
  return Array.from({ length: DOCUMENTS / 5 }, (_, i): BulkOperation => {
    const id = `d${i * 5}`;
    if (i % 2 === 0) return { action: "delete", id };
    return { action: "patch", id, document: { body: text(random, 20), year: 1900 } };
  });
}

/** Some words are far more frequent than others, as in any language. */
function text(random: ReturnType<typeof seededRandom>, words: number): string {
  return Array.from({ length: words }, () => WORDS[Math.floor(WORDS.length * random.next() ** 3)]!).join(" ");
}

function searches(random: ReturnType<typeof seededRandom>): SearchInput[] {
  const filters: NonNullable<SearchInput["filter"]>[] = [
    { field: "year", gte: 1850, lt: 1950 },
    { and: [{ field: "party", in: ["Whig", "Republican"] }, { not: { field: "year", gt: 1990 } }] },
  ];
  const vector = clusteredVectors(8, 12, SEED + 2);
  const made: SearchInput[] = [];
  for (let i = 0; i < 25; i += 1) {
    const query = text(random, random.integer(1, 4));
    const operator = random.chance(0.3) ? "and" : "or";
    const words = { text: { query, fields: { title: 2, body: 1 }, operator } } as const;
    const near = { vector: { field: "embedding", values: [...vector()], candidates: 10_000 } };
    const place = {
      vector: { field: "place", values: [random.next() * 10, random.next() * 10], candidates: 10_000 },
    };
    made.push(
      { queries: [words], limit: 50 },
      { queries: [near], limit: 30 },
      { queries: [place], limit: 20, offset: 5 },
    );
    made.push({ queries: [words], filter: random.pick(filters), limit: 20 });
    made.push({ queries: [words, near], limit: 20 });
    made.push({ queries: [words, near], fusion: { method: "weighted" }, limit: 20 });
  }
  const aggregations = {
    parties: { terms: { field: "party", size: 10 } },
    decades: { histogram: { field: "year", interval: 10, offset: 0 } },
    years: { stats: { field: "year" } },
  } as const;
  for (const filter of filters) made.push({ filter, aggregations, limit: 100 });
  made.push({ aggregations, limit: 0 });
  return made;
}

function expectAlike(search: SearchInput, one: SearchResponse, three: SearchResponse): void {
  const asked = JSON.stringify(search).slice(0, 300);
  expect(three.total, asked).toEqual(one.total);
  expect(
    three.results.map(({ id }) => id),
    asked,
  ).toEqual(one.results.map(({ id }) => id));
  one.results.forEach((hit, i) => {
    expect(Math.abs(three.results[i]!.score - hit.score), asked).toBeLessThanOrEqual(
      1e-6 * Math.max(1, Math.abs(hit.score)),
    );
  });
  expect(three.aggregations, asked).toEqual(one.aggregations);
}

/** An answer to which every shard came by its graph alone: any copy may be asked, and each indexes on its own. */
async function answerByGraph(collection: CollectionClient, query: Float32Array): Promise<SearchResponse> {
  return await waitUntil("an answer by the graphs", 180_000, async () => {
    const answer = await collection.search({ ...nearestTo(query), explain: true });
    const paths = (answer.explain ?? []).flatMap(({ queries }) => queries.map(({ path }) => path));
    return paths.length === 3 && paths.every((path) => path === "graph") && answer;
  });
}

function nearestTo(query: Float32Array): SearchInput {
  return { queries: [{ vector: { field: "embedding", values: [...query] } }], limit: NEAREST, include: [] };
}

/** Share of the true nearest that is found; every answer must be of the graph. */
async function recallOf(
  collection: CollectionClient,
  vectors: ReadonlyMap<string, Float32Array>,
  queries: readonly Float32Array[],
): Promise<number> {
  let found = 0;
  for (const query of queries) {
    const answer = await answerByGraph(collection, query);
    expect(answer.results).toHaveLength(NEAREST);
    const truth = new Set(nearestOf(vectors, query));
    found += answer.results.filter(({ id }) => truth.has(id)).length;
  }
  return found / (queries.length * NEAREST);
}

function nearestOf(vectors: ReadonlyMap<string, Float32Array>, query: Float32Array): string[] {
  const scored = [...vectors].map(([id, vector]) => {
    let dot = 0;
    let squared = 0;
    for (let i = 0; i < vector.length; i += 1) {
      dot += vector[i]! * query[i]!;
      squared += vector[i]! ** 2;
    }
    return { id, score: dot / Math.sqrt(squared) };
  });
  return scored
    .sort((a, b) => b.score - a.score)
    .slice(0, NEAREST)
    .map(({ id }) => id);
}
