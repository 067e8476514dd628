/** The command line and the sizes that it stands for. */
import { parseArgs } from "node:util";
import type { DataSetShape } from "./data-set.js";

export interface BenchScale {
  readonly dataSet: DataSetShape;
  /** Documents of the collection that is spread over three nodes. */
  readonly spreadDocuments: number;
  readonly warmUpMs: number;
  /** Searches of a kind before it is measured: a node's code is compiled while it runs, and that costs CPU. */
  readonly warmUpSearches: number;
  readonly measureMs: number;
  readonly placement: { readonly nodes: number; readonly zones: number; readonly shards: number };
  /** The run is given up after this time. */
  readonly timeoutMs: number;
}

export interface BenchOptions {
  readonly scale: BenchScale;
  readonly isQuick: boolean;
  readonly asJson: boolean;
  /** Nothing but durable writes is measured, and no file written. */
  readonly isWritesOnly: boolean;
}

const DATA_SET: DataSetShape = {
  documents: 100_000,
  dimensions: 128,
  clusters: 200,
  terms: 50_000,
  wordsPerText: 30,
  queries: 500,
  seed: 42,
};

/** Of each kind and load. */
export const WARM_UP_SEARCHES = 4000;

const FULL: BenchScale = {
  dataSet: DATA_SET,
  spreadDocuments: 30_000,
  warmUpMs: 2000,
  warmUpSearches: WARM_UP_SEARCHES,
  measureMs: 5000,
  placement: { nodes: 1000, zones: 4, shards: 10_000 },
  timeoutMs: 480_000,
};

const QUICK: BenchScale = {
  dataSet: { ...DATA_SET, documents: 5000, queries: 50 },
  spreadDocuments: 1500,
  warmUpMs: 300,
  warmUpSearches: 0,
  measureMs: 700,
  placement: { nodes: 100, zones: 4, shards: 1000 },
  timeoutMs: 150_000,
};

export const USAGE = `Usage: make bench [BENCH="--quick"]

Measures Prism against raw usearch, SQLite FTS5 and LMDB on this machine, and writes
docs/benchmarks.md and docs/benchmarks.json.

  --operator-scale
           A control plane of 1,000 nodes and 10,000 shards over a real API server, at rest and when a zone is lost;
           writes docs/operator-scale.md. With --memory over a store in memory, with --nodes, --shards, --zones and
           --rest <seconds> of another size; writes the file then only with --write
  --writes Durable writes alone, of one node and of three copies, and LMDB; writes no file
  --quick  5,000 documents in less than 30 seconds; writes no file, and its figures mean little
  --json   Print the figures as JSON instead of tables
  --help   Print this
`;

/** Undefined: only help is asked for. @throws {TypeError} on an unknown argument. */
export function parseOptions(argv: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      quick: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      writes: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const { quick: isQuick, json: asJson, writes: isWritesOnly } = values;
  return { scale: isQuick ? QUICK : FULL, isQuick, asJson, isWritesOnly };
}
