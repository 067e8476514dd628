import type { QueryExplanation, VectorQuery } from "../../domain/shard-query.js";
import type { Bitmap } from "../bitmap.js";
import type { DocumentHits, IndexStamp, QueryAnswer, SearchContext, VectorEngine } from "../engine-port.js";
import type { ParsedDocument } from "../parsed-document.js";
import { isGraphWorth, planGraphResults, WIDENING, type SearchPlanInput } from "./search-plan.js";
import {
  graphMetricOf,
  prepareVector,
  similarityOf,
  type Similarity,
  type VectorField,
} from "./similarity.js";
import { TopHits } from "./top-hits.js";
import { VectorArena } from "./vector-arena.js";
import { loadVectors, saveVectors } from "./vector-files.js";
import { VectorGraph } from "./vector-graph.js";

/** The graph's 32-bit distances may order near-equal vectors wrongly: a few more are scored again. */
const RESCORED_EXTRA = 6;

const NO_HITS: DocumentHits = { docs: new Uint32Array(0), scores: new Float64Array(0) };

interface Search {
  readonly vector: Float32Array;
  /** Accepted documents that have the field; undefined: all that have it. */
  readonly matches: Bitmap | undefined;
  readonly total: number;
  readonly size: number;
}

interface Scored {
  readonly hits: DocumentHits;
  readonly path: QueryExplanation["path"];
  readonly scanned: number;
}

/** One vector field of one shard copy: all its vectors in memory and a graph over most of them. */
export class VectorFieldIndex implements VectorEngine {
  readonly field: VectorField;
  readonly #similarity: Similarity;
  #arena: VectorArena;
  #graph: VectorGraph;

  constructor(field: VectorField) {
    this.field = { name: field.name, dimensions: field.dimensions, metric: field.metric };
    this.#similarity = similarityOf(field.metric);
    this.#arena = new VectorArena(field.dimensions);
    this.#graph = new VectorGraph(this.#arena, graphMetricOf(field.metric));
  }

  /** Documents that have the field. */
  get size(): number {
    return this.#arena.size;
  }

  get tail(): number {
    return this.#graph.waiting;
  }

  get memoryBytes(): number {
    return this.#arena.memoryBytes + this.#graph.memoryBytes;
  }

  add(doc: number, document: ParsedDocument): void {
    const values = document.vector.get(this.field.name);
    if (values !== undefined) this.addPrepared(doc, prepareVector(this.field, values));
  }

  /** `vector` is as `prepareVector` gives it. */
  addPrepared(doc: number, vector: Float32Array): void {
    this.#graph.add(this.#arena.add(doc, vector));
  }

  remove(doc: number): void {
    const slot = this.#arena.remove(doc);
    if (slot >= 0) this.#graph.remove(slot);
  }

  retain(live: Bitmap): void {
    this.#arena.documents
      .clone()
      .andNot(live)
      .forEach((doc) => this.remove(doc));
  }

  work(): boolean {
    return this.#graph.work();
  }

  /** Never fewer hits than `size` while that many accepted documents have the field. */
  search(query: VectorQuery, context: SearchContext): QueryAnswer {
    const vector = prepareVector(this.field, query.values);
    const matches = context.accept?.clone().and(this.#arena.documents);
    const total = matches?.count() ?? this.#arena.size;
    const scored = this.#score({ vector, matches, total, size: context.size }, query.candidates);
    return {
      hits: scored.hits,
      matches: context.wantMatches ? (matches ?? this.#arena.documents.clone()) : undefined,
      total,
      explanation: { path: scored.path, candidates: context.acceptCount, scanned: scored.scanned },
    };
  }

  save(directory: string, stamp: IndexStamp): void {
    saveVectors(directory, this.field, stamp, this.#arena, this.#graph);
  }

  load(directory: string): IndexStamp | undefined {
    const stored = loadVectors(directory, this.field);
    this.#arena = stored?.arena ?? new VectorArena(this.field.dimensions);
    this.#graph = stored?.graph ?? new VectorGraph(this.#arena, graphMetricOf(this.field.metric));
    return stored?.stamp;
  }

  close(): void {
    this.#arena = new VectorArena(this.field.dimensions);
    this.#graph = new VectorGraph(this.#arena, graphMetricOf(this.field.metric));
  }

  #score(search: Search, candidates: number): Scored {
    if (search.size === 0 || search.total === 0) return { hits: NO_HITS, path: "filter", scanned: 0 };
    return this.#searchGraph(search, candidates) ?? this.#scanAll(search);
  }

  /** Undefined when the exact scan is cheaper, or the only way to find enough. */
  #searchGraph(search: Search, candidates: number): Scored | undefined {
    const plan: SearchPlanInput = {
      metric: this.field.metric,
      dimensions: this.field.dimensions,
      size: search.size,
      candidates,
      graphSize: this.#graph.size,
      accepted: search.total,
      documents: this.#arena.size,
    };
    let results = planGraphResults(plan);
    if (results === undefined) return undefined;
    const top = new TopHits(search.size);
    const scanned = this.#scanTail(search, top);
    const wanted = Math.min(search.size, search.total - scanned);
    while (!this.#offerNearest(search, results, wanted, top)) {
      results *= WIDENING;
      if (!isGraphWorth(results, plan)) return undefined;
    }
    return { hits: top.toHits(), path: scanned > 0 ? "graph+tail" : "graph", scanned };
  }

  /** False, offering nothing, when the graph's `results` nearest hold fewer than `wanted` accepted documents. */
  #offerNearest(search: Search, results: number, wanted: number, top: TopHits): boolean {
    const { keys, distances } = this.#graph.search(search.vector, results);
    // It went through all it can reach: what is missing may be near, in a part without a link to here.
    if (keys.length < Math.min(results, this.#graph.size)) return false;
    const enough = wanted + RESCORED_EXTRA;
    const nodes: number[] = [];
    let accepted = 0;
    let last = Infinity;
    for (let i = 0; i < keys.length; i += 1) {
      if (accepted >= enough && distances[i]! > last) break;
      const count = this.#countAccepted(search, keys[i]!);
      if (count === 0) continue;
      nodes.push(keys[i]!);
      if (accepted < wanted) last = distances[i]!;
      accepted += count;
    }
    if (accepted < wanted) return false;
    for (const node of nodes) this.#offerNode(search, node, top);
    return true;
  }

  /** Counts no further than one page of hits: a node may have thousands of documents. */
  #countAccepted(search: Search, node: number): number {
    const nodes = this.#graph.nodes;
    let count = 0;
    for (let slot = nodes.firstSlotOf(node); slot >= 0 && count < search.size; slot = nodes.slotAfter(slot)) {
      if (this.#isAccepted(search, slot)) count += 1;
    }
    return count;
  }

  #offerNode(search: Search, node: number, top: TopHits): void {
    const nodes = this.#graph.nodes;
    let slot = nodes.firstSlotOf(node);
    if (slot < 0) return;
    const score = this.#scoreOf(slot, search.vector);
    for (; slot >= 0; slot = nodes.slotAfter(slot)) {
      if (this.#isAccepted(search, slot)) top.offer(this.#arena.docOf(slot), score);
    }
  }

  /** Returns the number of accepted documents in the tail. */
  #scanTail(search: Search, top: TopHits): number {
    let scanned = 0;
    for (const slot of this.#graph.tail) {
      if (!this.#isAccepted(search, slot)) continue;
      top.offer(this.#arena.docOf(slot), this.#scoreOf(slot, search.vector));
      scanned += 1;
    }
    return scanned;
  }

  #scanAll(search: Search): Scored {
    const top = new TopHits(search.size);
    if (search.matches === undefined) {
      this.#scanTail(search, top);
      for (let node = 0; node < this.#graph.nodes.count; node += 1) this.#offerNode(search, node, top);
    } else {
      search.matches.forEach((doc) => top.offer(doc, this.#scoreOf(this.#arena.slotOf(doc), search.vector)));
    }
    return { hits: top.toHits(), path: "exact", scanned: search.total };
  }

  #isAccepted(search: Search, slot: number): boolean {
    return search.matches === undefined || search.matches.has(this.#arena.docOf(slot));
  }

  #scoreOf(slot: number, vector: Float32Array): number {
    return this.#similarity(this.#arena.blockOf(slot), this.#arena.offsetOf(slot), vector);
  }
}
