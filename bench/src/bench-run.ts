/** One run from the data to the figures. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { makeDataSet } from "./data-set.js";
import { collectVersions, describeMachine } from "./machine.js";
import type { BenchOptions } from "./options.js";
import { measureFts5 } from "./peers/fts5.js";
import { measureLmdb } from "./peers/lmdb.js";
import { exactNearest, measureUsearch } from "./peers/usearch.js";
import type { BenchResults, Machine, WriteResults } from "./results.js";
import type { Stage } from "./stage.js";
import { measurePlacement } from "./stages/placement.js";
import { measureSingleNode } from "./stages/single-node.js";
import { measureThreeNodes } from "./stages/three-nodes.js";
import { measureWritesAlone, WRITE_BATCHES } from "./stages/writes.js";

const BUSY_LOAD = 1;

export class BenchRun {
  readonly #options: BenchOptions;
  readonly #progress: (line: string) => void;
  readonly #steps: (() => Promise<void>)[] = [];
  #directory: string | undefined;

  constructor(options: BenchOptions, progress: (line: string) => void) {
    this.#options = options;
    this.#progress = progress;
  }

  /** `parent`: on the disk that is to be measured. */
  async measure(parent: string): Promise<BenchResults> {
    const startMs = performance.now();
    const { scale, isQuick } = this.#options;
    const { machine, directory } = await this.#begin(parent);
    this.#progress("data and exact answers");
    const dataSet = makeDataSet(scale.dataSet);
    const truth = exactNearest(dataSet);
    const placement = measurePlacement(scale.placement);
    const single = await measureSingleNode(this.#stage("one"), scale, dataSet, truth);
    const { candidates } = single.figures;
    const threeNodes = await measureThreeNodes(this.#stage("three"), scale, dataSet, candidates);
    // After the clusters: what runs in this process holds up the control plane, which does too.
    this.#progress("peers: usearch");
    const usearch = measureUsearch(dataSet, truth, candidates);
    this.#progress("peers: SQLite FTS5");
    const fts5 = measureFts5(dataSet, single.bm25Rows);
    this.#progress("peers: LMDB");
    const lmdb = await measureLmdb(join(directory, "lmdb"), WRITE_BATCHES, scale.measureMs);
    return {
      takenAt: new Date().toISOString(),
      seconds: Math.round((performance.now() - startMs) / 1000),
      command: isQuick ? 'make bench BENCH="--quick"' : "make bench",
      machine,
      versions: collectVersions(),
      dataSet: scale.dataSet,
      placement,
      singleNode: single.figures,
      threeNodes,
      peers: { usearch, fts5, lmdb },
    };
  }

  /** As `measure`, of writes alone. */
  async measureWrites(parent: string): Promise<WriteResults> {
    const { scale } = this.#options;
    const { machine, directory } = await this.#begin(parent);
    const { oneNode, threeNodes } = await measureWritesAlone((name) => this.#stage(name), scale);
    this.#progress("peers: LMDB");
    const lmdb = await measureLmdb(join(directory, "lmdb"), WRITE_BATCHES, scale.measureMs);
    return { machine, versions: collectVersions(), oneNode, threeNodes, lmdb };
  }

  async #begin(parent: string): Promise<{ readonly machine: Machine; readonly directory: string }> {
    const machine = describeMachine();
    if (machine.loadBefore > BUSY_LOAD) {
      this.#progress(`the machine is busy (load ${machine.loadBefore.toFixed(1)}): the figures will be off`);
    }
    await mkdir(parent, { recursive: true });
    this.#directory = await mkdtemp(join(parent, "bench-"));
    return { machine, directory: this.#directory };
  }

  /** Ends the processes of the run and removes its files; a second call does nothing. */
  async cleanUp(): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) await step();
    if (this.#directory !== undefined) await rm(this.#directory, { recursive: true, force: true });
  }

  #stage(name: string): Stage {
    return {
      dataDirectory: join(this.#directory ?? "", name),
      nodeEnv: {},
      progress: this.#progress,
      onCleanUp: (step) => this.#steps.push(step),
    };
  }
}
