import { expect, test } from "vitest";
import { renderMarkdown, renderText, renderWritesText } from "./report.js";
import type { BenchResults, LoadFigures } from "./results.js";

const load = (inFlight: number, serverCpuUs: number): LoadFigures => ({
  inFlight,
  requests: 1000,
  perSecond: 1234.5,
  p50Ms: 1.25,
  p99Ms: 123.4,
  serverCpuUs,
});
const search = (us: number) => ({ loads: [load(1, us * 1.5), load(16, us)] });
const writes = (perSecond: number, batch = 100) => ({
  ...load(8, 5000),
  batch,
  documentsPerSecond: perSecond,
  serverCpuUsPerDocument: 50,
});

const RESULTS: BenchResults = {
  takenAt: "2026-01-02T03:04:05.000Z",
  seconds: 300,
  command: "make bench",
  machine: {
    processor: "Some CPU",
    cores: 2,
    memoryBytes: 8 * 1024 ** 3,
    system: "Linux 6",
    loadBefore: 0.25,
  },
  versions: { prism: "0.1.0", usearch: "2.0.0" },
  dataSet: {
    documents: 100_000,
    dimensions: 128,
    clusters: 200,
    terms: 50_000,
    wordsPerText: 30,
    queries: 500,
    seed: 42,
  },
  placement: {
    nodes: 1000,
    zones: 4,
    shards: 10_000,
    factor: 3,
    freshMs: 80.5,
    copiesPlaced: 30_000,
    zoneLossMs: 60,
    copiesReplaced: 7500,
  },
  singleNode: {
    ingest: {
      documents: 100_000,
      acknowledgedPerSecond: 3000,
      searchablePerSecond: 2000,
      serverCpuUs: 700,
    },
    residentBytes: 500 * 1024 ** 2,
    candidates: 64,
    recallAt10: 0.9951,
    vector: search(600),
    bm25: search(400),
    hybrid: search(800),
    plainWrites: writes(20_000),
  },
  threeNodes: {
    writes: {
      plain: [writes(2000, 10), writes(8000), writes(9000, 1000)],
      indexed: writes(1000),
      lag: { samples: 120, p99Ms: 12.3, p99Operations: 345 },
    },
    documents: 30_000,
    vector: load(16, 1500),
    bm25: load(16, 1200),
    hybrid: load(16, 2000),
  },
  peers: {
    usearch: { buildCpuUs: 280, searchCpuUs: 240, recallAt10: 0.996 },
    fts5: { buildCpuUs: 20, searchCpuUs: 12_000, agreement: 0.985 },
    lmdb: {
      oneAtATimePerSecond: 25_000,
      eightAtATime: [
        { batch: 10, perSecond: 20_000 },
        { batch: 100, perSecond: 40_000 },
        { batch: 1000, perSecond: 45_000 },
      ],
    },
  },
};

test("ratios divide what was measured by the peer of the same run", () => {
  const text = renderText(RESULTS);
  expect(text).toMatch(/Vector search, recall 0\.995, CPU\s+600 µs\s+usearch 240 µs\s+2\.50×/);
  expect(text).toMatch(/BM25 search, CPU\s+400 µs\s+FTS5 12,000 µs\s+0\.03×/);
  expect(text).toMatch(/Durable writes of 1 KB, one node\s+20,000\/s\s+LMDB 40,000\/s\s+0\.50×/);
  expect(text).toMatch(/The same, three copies\s+8,000\/s\s+LMDB 40,000\/s\s+0\.20×/);
});

test("writes are set beside the peer's batches of the same size, with how far copies were behind", () => {
  const page = renderMarkdown(RESULTS);
  expect(page).toMatch(/\| 1 KB, three copies +\| +10 \| +2,000\/s \| +0\.10× \|/);
  expect(page).toMatch(/\| 1 KB, three copies +\| +1,000 \| +9,000\/s \| +0\.20× \|/);
  expect(page.replaceAll("\n", " ")).toContain(
    "at most 12.3 ms and 345 operations behind their primary in 99 % of 120",
  );
  const { machine, versions, singleNode, threeNodes, peers } = RESULTS;
  const alone = {
    machine,
    versions,
    oneNode: singleNode.plainWrites,
    threeNodes: threeNodes.writes,
    lmdb: peers.lmdb,
  };
  expect(renderWritesText(alone)).toMatch(/1 KB, one node\s+100\s+20,000\/s\s+0\.50×/);
});

test("each load is a row, and its numbers are short", () => {
  expect(renderText(RESULTS)).toMatch(/hybrid\s+16\s+1,235\s+1\.3 ms\s+123 ms\s+800 µs/);
});

test("the page says what it was taken on, how to repeat it, and how far to trust it", () => {
  const page = renderMarkdown(RESULTS);
  expect(page).toContain("`make bench` on 2026-01-02, 300 seconds long");
  expect(page.replaceAll("\n", " ")).toContain(
    "Machine: Some CPU, 2 cores, 8 GiB, Linux 6; load 0.3 before the run. Versions: prism 0.1.0, usearch 2.0.0.",
  );
  expect(page.replaceAll("\n", " ")).toContain("Absolute numbers move by about 30 %");
  const prose = page.split("\n").filter((line) => !line.startsWith("|"));
  expect(Math.max(...prose.map((line) => line.length))).toBeLessThanOrEqual(110);
});

test("every table of the page has as many cells in each row as in its head", () => {
  const tables = renderMarkdown(RESULTS)
    .split("\n\n")
    .filter((part) => part.startsWith("|"));
  expect(tables).toHaveLength(7);
  for (const lines of tables.map((part) => part.trimEnd().split("\n"))) {
    expect(new Set(lines.map((line) => line.split("|").length)).size).toBe(1);
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  }
});
