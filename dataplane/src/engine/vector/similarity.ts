/**
 * Scores of vector search: higher is better, and a score depends on the two vectors alone, so hits of
 * several shards, and of the graph and the exact scan, rank as one list.
 *
 * - `cosine`: the cosine, from -1 to 1.
 * - `dot`: the dot product.
 * - `l2`: 1 / (1 + d), d the Euclidean distance (not squared): 1 for the same vector, towards 0 far away.
 *
 * Sums are in 64-bit floats, always in the same order, over the 32-bit floats that are stored.
 */
import type { VectorFieldSpec } from "@prism/api/field";
import { Problem } from "@prism/api/problem-code";
import { SQUARED_LENGTH_MAX, type GraphMetric } from "../../adapters/usearch/graph-index.js";

export type VectorField = Pick<VectorFieldSpec, "name" | "dimensions" | "metric">;
export type VectorMetric = VectorFieldSpec["metric"];

/** Scores the row of `block` that starts at `offset`. Both must be as `prepareVector` gives them. */
export type Similarity = (block: Float32Array, offset: number, query: Float32Array) => number;

export function similarityOf(metric: VectorMetric): Similarity {
  switch (metric) {
    case "cosine":
      return cosine;
    case "dot":
      return dot;
    case "l2":
      return inverseDistance;
  }
}

/** Cosine is the inner product of normalised vectors. */
export function graphMetricOf(metric: VectorMetric): GraphMetric {
  return metric === "l2" ? "squaredEuclidean" : "innerProduct";
}

/**
 * The form in which vectors are stored and compared: for cosine scaled to length 1, otherwise as it is.
 * Throws Problem: wrongDimensions, notFinite (also, with dot and l2, for a length whose square does
 * not fit a 32-bit float), zeroVector (cosine only).
 */
export function prepareVector(field: VectorField, values: Float32Array): Float32Array {
  if (values.length !== field.dimensions) {
    throw new Problem(
      "wrongDimensions",
      `Field ${field.name} has ${field.dimensions} dimensions, the vector ${values.length}.`,
    );
  }
  let squares = 0;
  for (let i = 0; i < values.length; i += 1) squares += values[i]! * values[i]!;
  if (!Number.isFinite(squares)) {
    throw new Problem("notFinite", `The vector of field ${field.name} has NaN or an infinity.`);
  }
  if (field.metric !== "cosine") {
    if (squares > SQUARED_LENGTH_MAX) {
      throw new Problem(
        "notFinite",
        `The length of the vector of field ${field.name} overflows 32-bit floats.`,
      );
    }
    return values;
  }
  if (squares === 0) throw new Problem("zeroVector", `The vector of field ${field.name} is all zeros.`);
  const scale = 1 / Math.sqrt(squares);
  return values.map((value) => value * scale);
}

function cosine(block: Float32Array, offset: number, query: Float32Array): number {
  // Rounding to 32-bit floats leaves lengths a little off 1.
  return Math.max(-1, Math.min(1, dot(block, offset, query)));
}

// Four sums: one would make every addition wait for the one before it.
function dot(block: Float32Array, offset: number, query: Float32Array): number {
  const dimensions = query.length;
  const unrolled = dimensions & ~3;
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  for (let i = 0; i < unrolled; i += 4) {
    a += block[offset + i]! * query[i]!;
    b += block[offset + i + 1]! * query[i + 1]!;
    c += block[offset + i + 2]! * query[i + 2]!;
    d += block[offset + i + 3]! * query[i + 3]!;
  }
  for (let i = unrolled; i < dimensions; i += 1) a += block[offset + i]! * query[i]!;
  return a + b + (c + d);
}

function inverseDistance(block: Float32Array, offset: number, query: Float32Array): number {
  const dimensions = query.length;
  const unrolled = dimensions & ~3;
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  for (let i = 0; i < unrolled; i += 4) {
    const w = block[offset + i]! - query[i]!;
    const x = block[offset + i + 1]! - query[i + 1]!;
    const y = block[offset + i + 2]! - query[i + 2]!;
    const z = block[offset + i + 3]! - query[i + 3]!;
    a += w * w;
    b += x * x;
    c += y * y;
    d += z * z;
  }
  for (let i = unrolled; i < dimensions; i += 1) {
    const w = block[offset + i]! - query[i]!;
    a += w * w;
  }
  return 1 / (1 + Math.sqrt(a + b + (c + d)));
}
