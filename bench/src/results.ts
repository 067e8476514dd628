/** What a run measured, as docs/benchmarks.json holds it. Times of servers are CPU of all their threads. */
import type { DataSetShape } from "./data-set.js";

export interface LoadFigures {
  readonly inFlight: number;
  readonly requests: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly serverCpuUs: number;
}

export interface SearchFigures {
  /** One caller, then sixteen. */
  readonly loads: readonly LoadFigures[];
}

export interface IngestFigures {
  readonly documents: number;
  /** Until every bulk request was answered: everything is durable. */
  readonly acknowledgedPerSecond: number;
  /** Until every vector was in the graph and no merge was left to do. */
  readonly searchablePerSecond: number;
  /** Until the end of that, graph and merges included. */
  readonly serverCpuUs: number;
}

/** Bulk requests, each of `batch` documents. */
export interface WriteFigures extends LoadFigures {
  readonly documentsPerSecond: number;
  readonly batch: number;
  readonly serverCpuUsPerDocument: number;
}

export interface SingleNodeFigures {
  readonly ingest: IngestFigures;
  readonly residentBytes: number;
  /** The fewest tried that reach the wanted recall; the most tried when none does. */
  readonly candidates: number;
  readonly recallAt10: number;
  readonly vector: SearchFigures;
  readonly bm25: SearchFigures;
  readonly hybrid: SearchFigures;
  readonly plainWrites: WriteFigures;
}

/** How far copies are behind their primaries while writes run, as the nodes' metrics say. */
export interface LagFigures {
  readonly samples: number;
  /** Of prism_replication_lag_seconds. */
  readonly p99Ms: number;
  /** Of prism_replication_lag_operations. */
  readonly p99Operations: number;
}

export interface ReplicatedWriteFigures {
  /** Documents of 1 KB without indexed fields, in batches of several sizes. */
  readonly plain: readonly WriteFigures[];
  /** Documents with a text and a vector, indexed meanwhile. */
  readonly indexed: WriteFigures;
  readonly lag: LagFigures;
}

/** What `--writes` measures. */
export interface WriteResults {
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly oneNode: WriteFigures;
  readonly threeNodes: ReplicatedWriteFigures;
  readonly lmdb: StorePeerFigures;
}

export interface ThreeNodeFigures {
  readonly writes: ReplicatedWriteFigures;
  readonly documents: number;
  readonly vector: LoadFigures;
  readonly bm25: LoadFigures;
  readonly hybrid: LoadFigures;
}

export interface PlacementFigures {
  readonly nodes: number;
  readonly zones: number;
  readonly shards: number;
  readonly factor: number;
  readonly freshMs: number;
  readonly copiesPlaced: number;
  readonly zoneLossMs: number;
  readonly copiesReplaced: number;
}

export interface VectorPeerFigures {
  readonly buildCpuUs: number;
  readonly searchCpuUs: number;
  readonly recallAt10: number;
}

export interface TextPeerFigures {
  readonly buildCpuUs: number;
  readonly searchCpuUs: number;
  /** Share of its ten best that are also among Prism's ten best. */
  readonly agreement: number;
}

export interface StorePeerFigures {
  /** Batches of 100; one is begun when the one before is on disk. */
  readonly oneAtATimePerSecond: number;
  readonly eightAtATime: readonly { readonly batch: number; readonly perSecond: number }[];
}

export interface PeerFigures {
  readonly usearch: VectorPeerFigures;
  readonly fts5: TextPeerFigures;
  readonly lmdb: StorePeerFigures;
}

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  /** Mean over the minute before the run of threads that ran or wanted to: what others did meanwhile. */
  readonly loadBefore: number;
}

export interface BenchResults {
  readonly takenAt: string;
  readonly seconds: number;
  readonly command: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly dataSet: DataSetShape;
  readonly placement: PlacementFigures;
  readonly singleNode: SingleNodeFigures;
  readonly threeNodes: ThreeNodeFigures;
  readonly peers: PeerFigures;
}
