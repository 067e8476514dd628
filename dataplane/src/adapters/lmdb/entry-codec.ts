/**
 * Binary form of log entries, documents and operation records in the store. Each carries a CRC-32 of
 * everything after it: a damaged value is noticed when it is read, not when a copy has spread it.
 *
 *   entry:     length u32 | crc u32 | kind u8 | result u8 | operation u16 | id u16 | seq f64 | term f64 | time f64 | operation | id | record
 *   document:  crc u32 | id u16 | seq f64 | term f64 | id | record
 *   operation: crc u32 | result u8 | operation u16 | seq f64 | term f64 | time f64 | operation
 *
 * Entries and operations are stored in runs, one behind the other: a value per run costs the store a
 * fraction of what a value each does. The length of an entry is that of what follows it. A run of entries
 * is also what copies send each other: the primary encodes an entry once, and its bytes are the same on
 * every disk. A document is stored as the entry that wrote it, where there is one: nothing is encoded or
 * summed up again. One that came with a snapshot has the form of its own.
 */
import { crc32 } from "node:zlib";
import type { LogEntry, LogEntryBody, WriteResult } from "../../domain/replication/log-entry.js";

export class DamagedValueError extends Error {
  constructor(what: string) {
    super(`${what} does not have the checksum it was written with`);
    this.name = "DamagedValueError";
  }
}

/** One version of a document as it is stored. */
export interface StoredDocument {
  readonly id: string;
  readonly seq: number;
  readonly term: number;
  /** See document-record.ts. */
  readonly record: Uint8Array;
}

/** What a retry of an operation is answered with. */
export interface StoredOperation {
  readonly operationId: string;
  readonly seq: number;
  readonly term: number;
  readonly result: WriteResult;
  readonly timeMs: number;
}

const KINDS = ["noop", "index", "delete", "unchanged"] as const;
const RESULTS: readonly WriteResult[] = ["created", "updated", "deleted", "unchanged"];
const LENGTH_BYTES = 4;
const ENTRY_HEAD = 34;
const DOCUMENT_HEAD = 22;
const OPERATION_HEAD = 31;
const NOTHING = new Uint8Array(0);

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function seal(value: Buffer): Buffer {
  value.writeUInt32LE(crc32(value.subarray(4)), 0);
  return value;
}

function unseal(bytes: Uint8Array, head: number, what: string): Buffer {
  const value = viewOf(bytes);
  if (value.length < head || value.readUInt32LE(0) !== crc32(value.subarray(4)))
    throw new DamagedValueError(what);
  return value;
}

/** A run of entries; `ends` says where each ends. */
export interface EntryRun {
  readonly bytes: Buffer;
  readonly ends: readonly number[];
}

export function encodeEntries(entries: readonly LogEntry[]): EntryRun {
  let bytes = 0;
  const ends = entries.map((entry) => (bytes += storedBytes(entry)));
  // Not from the pool: the run is kept as long as the log's memory has it.
  const run = Buffer.allocUnsafeSlow(bytes);
  let at = 0;
  for (const [i, entry] of entries.entries()) {
    writeEntry(run, at, ends[i]!, entry);
    at = ends[i]!;
  }
  return { bytes: run, ends };
}

function storedBytes({ operationId, body }: LogEntry): number {
  const id = body.kind === "noop" ? 0 : Buffer.byteLength(body.id);
  const record = body.kind === "index" ? body.record.length : 0;
  return LENGTH_BYTES + ENTRY_HEAD + Buffer.byteLength(operationId) + id + record;
}

function writeEntry(run: Buffer, start: number, end: number, entry: LogEntry): void {
  const { body } = entry;
  const at = start + LENGTH_BYTES;
  const operationBytes = run.write(entry.operationId, at + ENTRY_HEAD);
  const idStart = at + ENTRY_HEAD + operationBytes;
  const idBytes = body.kind === "noop" ? 0 : run.write(body.id, idStart);
  run.writeUInt32LE(end - at, start);
  run[at + 4] = KINDS.indexOf(body.kind);
  run[at + 5] = RESULTS.indexOf(entry.result);
  run.writeUInt16LE(operationBytes, at + 6);
  run.writeUInt16LE(idBytes, at + 8);
  run.writeDoubleLE(entry.seq, at + 10);
  run.writeDoubleLE(entry.term, at + 18);
  run.writeDoubleLE(entry.timeMs, at + 26);
  if (body.kind === "index") run.set(body.record, idStart + idBytes);
  run.writeUInt32LE(crc32(run.subarray(at + 4, end)), at);
}

/**
 * The entries of a run, in seq order without gaps. Records and `stored` are views of `bytes`.
 * @throws {DamagedValueError}
 */
export function decodeEntries(bytes: Uint8Array): LogEntry[] {
  const run = viewOf(bytes);
  const entries: LogEntry[] = [];
  let seq: number | undefined;
  for (let start = 0; start < run.length;) {
    const at = start + LENGTH_BYTES;
    const end = at <= run.length ? at + run.readUInt32LE(start) : Number.POSITIVE_INFINITY;
    if (end > run.length) throw new DamagedValueError("a run of log entries");
    const entry = decodeEntry(run, start, end);
    if (seq !== undefined && entry.seq !== seq + 1) throw new DamagedValueError(`log entry ${seq + 1}`);
    ({ seq } = entry);
    entries.push(entry);
    start = end;
  }
  return entries;
}

function decodeEntry(run: Buffer, start: number, end: number): LogEntry {
  const at = start + LENGTH_BYTES;
  const operationStart = at + ENTRY_HEAD;
  if (operationStart > end || run.readUInt32LE(at) !== crc32(run.subarray(at + 4, end))) {
    throw new DamagedValueError("a log entry");
  }
  const idStart = operationStart + run.readUInt16LE(at + 6);
  const recordStart = idStart + run.readUInt16LE(at + 8);
  const kind = KINDS[run[at + 4]!];
  const result = RESULTS[run[at + 5]!];
  if (kind === undefined || result === undefined) throw new DamagedValueError("a log entry");
  const id = run.toString("utf8", idStart, recordStart);
  return {
    seq: run.readDoubleLE(at + 10),
    term: run.readDoubleLE(at + 18),
    operationId: run.toString("utf8", operationStart, idStart),
    body: bodyOf(kind, id, kind === "index" ? run.subarray(recordStart, end) : NOTHING),
    result,
    timeMs: run.readDoubleLE(at + 26),
    stored: run.subarray(start, end),
  };
}

function bodyOf(kind: LogEntryBody["kind"], id: string, record: Uint8Array): LogEntryBody {
  switch (kind) {
    case "noop":
      return { kind };
    case "index":
      return { kind, id, record };
    case "delete":
    case "unchanged":
      return { kind, id };
  }
}

export function encodeDocument(document: StoredDocument): Buffer {
  const idBytes = Buffer.byteLength(document.id);
  const value = Buffer.allocUnsafe(DOCUMENT_HEAD + idBytes + document.record.length);
  value.writeUInt16LE(idBytes, 4);
  value.writeDoubleLE(document.seq, 6);
  value.writeDoubleLE(document.term, 14);
  value.write(document.id, DOCUMENT_HEAD);
  value.set(document.record, DOCUMENT_HEAD + idBytes);
  return seal(value);
}

/** The bytes of a document, or of the entry that wrote it. The record is a view of them. @throws {DamagedValueError} */
export function decodeDocument(bytes: Uint8Array, doc: number): StoredDocument {
  const written = decodeWritten(viewOf(bytes));
  if (written !== undefined) return written;
  const value = unseal(bytes, DOCUMENT_HEAD, `document ${doc}`);
  const recordStart = DOCUMENT_HEAD + value.readUInt16LE(4);
  return {
    id: value.toString("utf8", DOCUMENT_HEAD, recordStart),
    seq: value.readDoubleLE(6),
    term: value.readDoubleLE(14),
    record: value.subarray(recordStart),
  };
}

/** Undefined for what is no undamaged entry: the checksum tells, whatever the length seems to say. */
function decodeWritten(value: Buffer): StoredDocument | undefined {
  const at = LENGTH_BYTES;
  if (value.length < at + ENTRY_HEAD || value.readUInt32LE(0) !== value.length - at) return undefined;
  if (value.readUInt32LE(at) !== crc32(value.subarray(at + 4)) || KINDS[value[at + 4]!] !== "index") {
    return undefined;
  }
  const idStart = at + ENTRY_HEAD + value.readUInt16LE(at + 6);
  const recordStart = idStart + value.readUInt16LE(at + 8);
  return {
    id: value.toString("utf8", idStart, recordStart),
    seq: value.readDoubleLE(at + 10),
    term: value.readDoubleLE(at + 18),
    record: value.subarray(recordStart),
  };
}

/** A run of operation records. */
export function encodeOperations(operations: readonly StoredOperation[]): Buffer {
  let bytes = 0;
  for (const { operationId } of operations) bytes += OPERATION_HEAD + Buffer.byteLength(operationId);
  const run = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const operation of operations) {
    const operationBytes = run.write(operation.operationId, at + OPERATION_HEAD);
    const end = at + OPERATION_HEAD + operationBytes;
    run[at + 4] = RESULTS.indexOf(operation.result);
    run.writeUInt16LE(operationBytes, at + 5);
    run.writeDoubleLE(operation.seq, at + 7);
    run.writeDoubleLE(operation.term, at + 15);
    run.writeDoubleLE(operation.timeMs, at + 23);
    run.writeUInt32LE(crc32(run.subarray(at + 4, end)), at);
    at = end;
  }
  return run;
}

/** @throws {DamagedValueError} */
export function decodeOperations(bytes: Uint8Array): StoredOperation[] {
  const run = viewOf(bytes);
  const operations: StoredOperation[] = [];
  for (let at = 0; at < run.length;) {
    const end = at + OPERATION_HEAD + (at + OPERATION_HEAD <= run.length ? run.readUInt16LE(at + 5) : 0);
    if (end > run.length) throw new DamagedValueError("a run of operation records");
    const value = unseal(run.subarray(at, end), OPERATION_HEAD, "an operation record");
    const result = RESULTS[value[4]!];
    if (result === undefined) throw new DamagedValueError("an operation record");
    operations.push({
      operationId: value.toString("utf8", OPERATION_HEAD),
      seq: value.readDoubleLE(7),
      term: value.readDoubleLE(15),
      result,
      timeMs: value.readDoubleLE(23),
    });
    at = end;
  }
  return operations;
}
