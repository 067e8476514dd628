/**
 * Binary form of log entries, documents and operation records in the store. Each carries a CRC-32 of
 * everything after it: a damaged value is noticed when it is read, not when a copy has spread it.
 *
 *   entry:     crc u32 | kind u8 | result u8 | operation u16 | id u16 | seq f64 | term f64 | time f64 | operation | id | record
 *   document:  crc u32 | id u16 | seq f64 | term f64 | id | record
 *   operation: crc u32 | result u8 | operation u16 | seq f64 | term f64 | time f64 | operation
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

export function encodeEntry(entry: LogEntry): Buffer {
  const { body } = entry;
  const id = body.kind === "noop" ? "" : body.id;
  const record = body.kind === "index" ? body.record : NOTHING;
  const operationBytes = Buffer.byteLength(entry.operationId);
  const idBytes = Buffer.byteLength(id);
  const value = Buffer.allocUnsafe(ENTRY_HEAD + operationBytes + idBytes + record.length);
  value[4] = KINDS.indexOf(body.kind);
  value[5] = RESULTS.indexOf(entry.result);
  value.writeUInt16LE(operationBytes, 6);
  value.writeUInt16LE(idBytes, 8);
  value.writeDoubleLE(entry.seq, 10);
  value.writeDoubleLE(entry.term, 18);
  value.writeDoubleLE(entry.timeMs, 26);
  value.write(entry.operationId, ENTRY_HEAD);
  value.write(id, ENTRY_HEAD + operationBytes);
  value.set(record, ENTRY_HEAD + operationBytes + idBytes);
  return seal(value);
}

/** The record is a view of `bytes`. @throws {DamagedValueError} */
export function decodeEntry(bytes: Uint8Array, seq: number): LogEntry {
  const what = `log entry ${seq}`;
  const value = unseal(bytes, ENTRY_HEAD, what);
  const idStart = ENTRY_HEAD + value.readUInt16LE(6);
  const recordStart = idStart + value.readUInt16LE(8);
  const kind = KINDS[value[4]!];
  const result = RESULTS[value[5]!];
  // A value under another entry's key is as wrong as a damaged one.
  if (kind === undefined || result === undefined || value.readDoubleLE(10) !== seq)
    throw new DamagedValueError(what);
  const id = value.toString("utf8", idStart, recordStart);
  return {
    seq,
    term: value.readDoubleLE(18),
    operationId: value.toString("utf8", ENTRY_HEAD, idStart),
    body: bodyOf(kind, id, value.subarray(recordStart)),
    result,
    timeMs: value.readDoubleLE(26),
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

/** The record is a view of `bytes`. @throws {DamagedValueError} */
export function decodeDocument(bytes: Uint8Array, doc: number): StoredDocument {
  const value = unseal(bytes, DOCUMENT_HEAD, `document ${doc}`);
  const recordStart = DOCUMENT_HEAD + value.readUInt16LE(4);
  return {
    id: value.toString("utf8", DOCUMENT_HEAD, recordStart),
    seq: value.readDoubleLE(6),
    term: value.readDoubleLE(14),
    record: value.subarray(recordStart),
  };
}

export function encodeOperation(operation: StoredOperation): Buffer {
  const operationBytes = Buffer.byteLength(operation.operationId);
  const value = Buffer.allocUnsafe(OPERATION_HEAD + operationBytes);
  value[4] = RESULTS.indexOf(operation.result);
  value.writeUInt16LE(operationBytes, 5);
  value.writeDoubleLE(operation.seq, 7);
  value.writeDoubleLE(operation.term, 15);
  value.writeDoubleLE(operation.timeMs, 23);
  value.write(operation.operationId, OPERATION_HEAD);
  return seal(value);
}

/** @throws {DamagedValueError} */
export function decodeOperation(bytes: Uint8Array, seq: number): StoredOperation {
  const what = `operation record ${seq}`;
  const value = unseal(bytes, OPERATION_HEAD, what);
  const result = RESULTS[value[4]!];
  if (result === undefined || value.readDoubleLE(7) !== seq) throw new DamagedValueError(what);
  return {
    operationId: value.toString("utf8", OPERATION_HEAD, OPERATION_HEAD + value.readUInt16LE(5)),
    seq,
    term: value.readDoubleLE(15),
    result,
    timeMs: value.readDoubleLE(23),
  };
}
