/**
 * A vector field on disk: a header, the vectors as they are in memory, and the graph. The header names
 * the other two, which have a new name at every save, and is renamed into place last: a crash leaves the
 * files of the save before.
 *
 * The header is a line with its CRC-32 and a line of JSON. The vectors file is, for every slot, its
 * document number (uint32), then its node in the graph (int32; -1 none yet, -2 the slot is free), then its
 * vector (float32), in the byte order of the machine, little-endian wherever Node runs.
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { GraphIndex, type GraphFile } from "../../adapters/usearch/graph-index.js";
import { checksum } from "../checksum.js";
import type { IndexStamp } from "../engine-port.js";
import { graphMetricOf, type VectorField, type VectorMetric } from "./similarity.js";
import { VectorArena } from "./vector-arena.js";
import { VectorGraph } from "./vector-graph.js";

export interface StoredVectors {
  readonly stamp: IndexStamp;
  readonly arena: VectorArena;
  readonly graph: VectorGraph;
}

interface Header {
  readonly format: number;
  readonly name: string;
  readonly dimensions: number;
  readonly metric: VectorMetric;
  readonly stamp: IndexStamp;
  readonly generation: number;
  readonly slots: number;
  readonly vectorsCrc32: number;
  readonly graph?: GraphFile;
}

const FORMAT = 1;
const HEADER = "vectors.header";
const FREE = -2;

export function saveVectors(
  directory: string,
  field: VectorField,
  stamp: IndexStamp,
  arena: VectorArena,
  graph: VectorGraph,
): void {
  mkdirSync(directory, { recursive: true });
  const generation = lastGeneration(directory) + 1;
  const graphFile = graph.save(graphPath(directory, generation));
  const header: Header = {
    format: FORMAT,
    name: field.name,
    dimensions: field.dimensions,
    metric: field.metric,
    stamp: { historyId: stamp.historyId, lastDoc: stamp.lastDoc, seq: stamp.seq },
    generation,
    slots: arena.slotCount,
    vectorsCrc32: writeVectors(vectorsPath(directory, generation), arena, graph),
    ...(graphFile === undefined ? {} : { graph: graphFile }),
  };
  writeChecked(directory, HEADER, header);
  removeOtherGenerations(directory, generation);
}

/**
 * Undefined when the header or the vectors are missing, damaged or of another shape. A graph that cannot
 * be had is not: its vectors are all in the tail, and it is built again.
 */
export function loadVectors(directory: string, field: VectorField): StoredVectors | undefined {
  const header = readChecked(directory, HEADER) as Header | undefined;
  if (header === undefined || !isOfField(header, field)) return undefined;
  const stored = readVectors(vectorsPath(directory, header.generation), header);
  if (stored === undefined) return undefined;
  const { arena, nodes } = stored;
  const graph = new VectorGraph(arena, graphMetricOf(field.metric));
  const graphFile = header.graph && GraphIndex.load(graphPath(directory, header.generation), header.graph);
  graph.restore(graphFile, (slot) => nodes[slot]!);
  return { stamp: header.stamp, arena, graph };
}

/** Writes `<crc>\n<json>\n` under a temporary name, synced, and renames it into place. */
export function writeChecked(directory: string, name: string, content: object): void {
  const json = Buffer.from(JSON.stringify(content));
  const temporary = join(directory, `${name}.tmp`);
  writeSynced(temporary, [Buffer.from(`${checksum(json)}\n`), json]);
  renameSync(temporary, join(directory, name));
  syncDirectory(directory);
}

/** Undefined when the file is missing or not as it was written. */
export function readChecked(directory: string, name: string): unknown {
  let bytes: Buffer;
  try {
    bytes = readFileSync(join(directory, name));
  } catch {
    return undefined;
  }
  const lineEnd = bytes.indexOf("\n");
  const json = bytes.subarray(lineEnd + 1);
  if (lineEnd < 0 || bytes.toString("latin1", 0, lineEnd) !== String(checksum(json))) return undefined;
  return JSON.parse(json.toString("utf8")) as unknown;
}

function isOfField(header: Header, field: VectorField): boolean {
  return (
    header.format === FORMAT &&
    header.name === field.name &&
    header.dimensions === field.dimensions &&
    header.metric === field.metric
  );
}

function writeVectors(path: string, arena: VectorArena, graph: VectorGraph): number {
  const docs = new Uint32Array(arena.slotCount);
  const nodes = new Int32Array(arena.slotCount).fill(FREE);
  for (let slot = 0; slot < arena.slotCount; slot += 1) {
    if (!arena.isLive(slot)) continue;
    docs[slot] = arena.docOf(slot);
    nodes[slot] = graph.nodes.nodeOf(slot);
  }
  return writeSynced(path, [docs, nodes, ...arena.usedBlocks()].map(bytesOf));
}

function readVectors(path: string, header: Header): { arena: VectorArena; nodes: Int32Array } | undefined {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return undefined;
  }
  try {
    if (fstatSync(file).size !== header.slots * (8 + header.dimensions * 4)) return undefined;
    const docs = new Uint32Array(header.slots);
    const nodes = new Int32Array(header.slots);
    const arena = new VectorArena(header.dimensions);
    arena.reserve(header.slots);
    let sum = 0;
    for (const part of [docs, nodes, ...arena.usedBlocks()].map(bytesOf)) {
      if (!readFully(file, part)) return undefined;
      sum = checksum(part, sum);
    }
    if (sum !== header.vectorsCrc32) return undefined;
    arena.restore(docs, (slot) => nodes[slot] !== FREE);
    return { arena, nodes };
  } finally {
    closeSync(file);
  }
}

/** Returns the CRC-32 of all parts. */
function writeSynced(path: string, parts: readonly Uint8Array[]): number {
  const file = openSync(path, "w");
  try {
    let sum = 0;
    for (const part of parts) {
      let written = 0;
      while (written < part.length) written += writeSync(file, part, written, part.length - written);
      sum = checksum(part, sum);
    }
    fsyncSync(file);
    return sum;
  } finally {
    closeSync(file);
  }
}

function readFully(file: number, bytes: Uint8Array): boolean {
  let filled = 0;
  while (filled < bytes.length) {
    const count = readSync(file, bytes, filled, bytes.length - filled, null);
    if (count === 0) return false;
    filled += count;
  }
  return true;
}

/** Without it a rename may be forgotten in a power cut. */
function syncDirectory(directory: string): void {
  const handle = openSync(directory, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function bytesOf(array: Uint32Array | Int32Array | Float32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function vectorsPath(directory: string, generation: number): string {
  return join(directory, `${generation}.vectors`);
}

function graphPath(directory: string, generation: number): string {
  return join(directory, `${generation}.graph`);
}

/** Also of files that a crash or a set-aside graph left behind: their names are not used again. */
function lastGeneration(directory: string): number {
  return Math.max(0, ...readdirSync(directory).map(generationOf));
}

function removeOtherGenerations(directory: string, generation: number): void {
  for (const name of readdirSync(directory)) {
    const other = generationOf(name);
    if (other !== 0 && other !== generation) rmSync(join(directory, name), { force: true });
  }
}

function generationOf(name: string): number {
  return Number(/^(\d+)\.(?:vectors|graph)/.exec(name)?.[1] ?? 0);
}
