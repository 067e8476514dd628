/**
 * A text index on disk: one file, renamed into place when it is complete and synced. Inside: the fields'
 * terms with their document frequencies, then the segments as they are in memory.
 */
import { Buffer } from "node:buffer";
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync } from "node:fs";
import { join } from "node:path";
import { BinaryReader, DamagedFile, writeBinaryFile, type BinaryWriter } from "../binary-file.js";
import type { IndexStamp } from "../engine-port.js";
import { readStamp, writeStamp } from "../index-stamp.js";
import { RemovedPlaces, Segment, type FieldPostings } from "./segment.js";
import { TextFieldTerms, type TextField } from "./text-field-terms.js";

/** The last digits are the version of the format and of what the analyzers give. */
const KIND = "PRSMTX01";
const FILE = "text.index";

export interface TextIndexContents {
  /** In the order of their numbers. */
  readonly fields: readonly TextFieldTerms[];
  readonly segments: readonly Segment[];
}

export function saveTextIndex(
  directory: string,
  stamp: IndexStamp,
  { fields, segments }: TextIndexContents,
): void {
  mkdirSync(directory, { recursive: true });
  const temporary = join(directory, `${FILE}.tmp`);
  writeBinaryFile(temporary, KIND, (writer) => {
    writeStamp(writer, stamp);
    writer.uint32(fields.length);
    for (const field of fields) writeField(writer, field);
    writer.uint32(segments.length);
    for (const segment of segments) writeSegment(writer, segment);
  });
  renameSync(temporary, join(directory, FILE));
  const parent = openSync(directory, "r");
  try {
    fsyncSync(parent);
  } finally {
    closeSync(parent);
  }
}

/**
 * Undefined when the file is missing, damaged, of another format, has a field that is not in `fields` or has
 * it with another analyzer. Fields may be missing in the file: they came after it.
 */
export function loadTextIndex(
  directory: string,
  fields: readonly TextField[],
): { readonly stamp: IndexStamp; readonly contents: TextIndexContents } | undefined {
  try {
    const reader = new BinaryReader(join(directory, FILE), KIND);
    const stamp = readStamp(reader);
    const read = readFields(reader, fields);
    if (read === undefined) return undefined;
    const segments = Array.from({ length: reader.uint32() }, () => readSegment(reader, read));
    return { stamp, contents: { fields: read, segments } };
  } catch (error) {
    if (error instanceof DamagedFile || isUnreadable(error)) return undefined;
    throw error;
  }
}

/** Missing, failing sectors, or above the 2 GiB that can be read at once. */
function isUnreadable(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOENT" || code === "EIO" || code === "ERR_FS_FILE_TOO_LARGE";
}

function writeField(writer: BinaryWriter, field: TextFieldTerms): void {
  const { dictionary } = field;
  writer.string(field.name);
  writer.string(field.analyzerName);
  writer.array(Float64Array.of(field.documents, field.totalLength));
  const lengths = new Uint32Array(dictionary.idLimit);
  const frequencies = new Uint32Array(dictionary.idLimit);
  const terms: string[] = [];
  for (let id = 0; id < dictionary.idLimit; id += 1) {
    const term = dictionary.termOf(id);
    terms.push(term);
    lengths[id] = term.length;
    frequencies[id] = dictionary.documentFrequencyOf(id);
  }
  writer.array(lengths);
  writer.array(frequencies);
  // UTF-16: a keyword may hold half a surrogate pair, which UTF-8 would turn into another term.
  writer.array(Buffer.from(terms.join(""), "utf16le"));
}

function readFields(reader: BinaryReader, wanted: readonly TextField[]): TextFieldTerms[] | undefined {
  const fields: TextFieldTerms[] = [];
  const count = reader.uint32();
  for (let number = 0; number < count; number += 1) {
    const name = reader.string();
    const analyzer = reader.string();
    const spec = wanted.find((field) => field.name === name && field.analyzer === analyzer);
    if (spec === undefined) return undefined;
    const field = new TextFieldTerms(spec, number);
    [field.documents = 0, field.totalLength = 0] = reader.float64Array();
    const lengths = reader.uint32Array();
    const frequencies = reader.uint32Array();
    const text = Buffer.from(reader.uint8Array().buffer);
    let start = 0;
    const terms = Array.from(lengths, (length) => {
      start += length * 2;
      return text.toString("utf16le", start - length * 2, start);
    });
    field.dictionary.restore(terms, frequencies);
    fields.push(field);
  }
  return fields;
}

function writeSegment(writer: BinaryWriter, { docs, removed, fields }: Segment): void {
  writer.array(docs);
  writer.array(removed.bits);
  writer.uint32(removed.count);
  writer.uint32(fields.length);
  for (const field of fields) {
    writer.uint32(field === undefined ? 0 : 1);
    if (field === undefined) continue;
    writer.array(field.terms);
    writer.array(field.offsets);
    writer.array(field.postings);
    writer.array(field.lengths);
    writer.array(Uint32Array.from([...field.longFrequencies].flat()));
  }
}

function readSegment(reader: BinaryReader, fields: readonly TextFieldTerms[]): Segment {
  const docs = reader.uint32Array();
  const removed = new RemovedPlaces(docs.length);
  removed.bits = reader.uint32Array();
  removed.count = reader.uint32();
  const columns = Array.from({ length: reader.uint32() }, () =>
    reader.uint32() === 0 ? undefined : readPostings(reader),
  );
  for (const [number, column] of columns.entries()) {
    if (column === undefined) continue;
    const { dictionary } = fields[number]!;
    for (let row = 0; row < column.terms.length; row += 1) {
      dictionary.restorePostings(column.terms[row]!, column.offsets[row + 1]! - column.offsets[row]!);
    }
  }
  return new Segment(docs, columns, removed);
}

function readPostings(reader: BinaryReader): FieldPostings {
  const terms = reader.uint32Array();
  const offsets = reader.uint32Array();
  const postings = reader.uint32Array();
  const lengths = reader.uint32Array();
  const pairs = reader.uint32Array();
  const longFrequencies = new Map<number, number>();
  for (let i = 0; i < pairs.length; i += 2) longFrequencies.set(pairs[i]!, pairs[i + 1]!);
  return { terms, offsets, postings, lengths, longFrequencies };
}
