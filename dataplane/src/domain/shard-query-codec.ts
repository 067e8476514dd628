/**
 * ShardQuery <-> the two parts of a SearchRequest on the wire: JSON without the vectors, and the
 * vectors as little-endian float32 bytes, one per vector query in the order of the queries.
 */
import type { ShardQuery, TextQuery, VectorQuery } from "./shard-query.js";

export interface EncodedShardQuery {
  readonly queryJson: Uint8Array;
  readonly vectors: Uint8Array[];
}

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder();

type JsonQuery = TextQuery | Omit<VectorQuery, "values">;

export function encodeShardQuery(query: ShardQuery): EncodedShardQuery {
  const vectors: Uint8Array[] = [];
  const queries = query.queries.map((one): JsonQuery => {
    if (one.kind === "text") return one;
    vectors.push(toFloat32Bytes(one.values));
    return { kind: "vector", field: one.field, candidates: one.candidates };
  });
  return { queryJson: utf8.encode(JSON.stringify({ ...query, queries })), vectors };
}

/** Throws SyntaxError or RangeError on bytes that encodeShardQuery did not make. */
export function decodeShardQuery(encoded: EncodedShardQuery): ShardQuery {
  const parsed = JSON.parse(fromUtf8.decode(encoded.queryJson)) as Omit<ShardQuery, "queries"> & {
    readonly queries: readonly JsonQuery[];
  };
  let next = 0;
  const queries = parsed.queries.map((one): TextQuery | VectorQuery => {
    if (one.kind === "text") return one;
    const bytes = encoded.vectors[next++];
    if (bytes === undefined) throw new RangeError("a vector query came without its vector");
    return { ...one, values: fromFloat32Bytes(bytes) };
  });
  return { ...parsed, queries };
}

function toFloat32Bytes(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < values.length; i += 1) view.setFloat32(i * 4, values[i]!, true);
  return bytes;
}

function fromFloat32Bytes(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = new Float32Array(bytes.byteLength / 4);
  for (let i = 0; i < values.length; i += 1) values[i] = view.getFloat32(i * 4, true);
  return values;
}

/** Scores of a HitList, from little-endian float64 bytes. */
export function decodeScores(bytes: Uint8Array): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const scores = new Float64Array(bytes.byteLength >>> 3);
  for (let i = 0; i < scores.length; i += 1) scores[i] = view.getFloat64(i * 8, true);
  return scores;
}

export function encodeScores(scores: Float64Array): Uint8Array {
  const bytes = new Uint8Array(scores.length * 8);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < scores.length; i += 1) view.setFloat64(i * 8, scores[i]!, true);
  return bytes;
}
