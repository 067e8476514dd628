/**
 * Documents from a file or standard input: NDJSON (one document or bulk line per line) or one JSON
 * array. Read as a stream; an array is held in memory whole, and its size is limited. A line that is no
 * document is reported and passed over.
 */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { BulkOperation } from "@prism/client";
import { CommandError } from "./exit-code.js";
import { sizeOfFile, unreadable } from "./text-file.js";

export interface DocumentSource {
  readonly operations: AsyncIterable<BulkOperation>;
  /** Bytes in all, for the progress bar; undefined for standard input. */
  readonly totalBytes: number | undefined;
  /** Bytes of what has been handed on so far. */
  readonly readBytes: () => number;
  /** Where an operation stood: "line 3". */
  readonly whereOf: (operation: BulkOperation) => string;
}

export interface BadLine {
  /** "line 3" or "element 3", from 1. */
  readonly where: string;
  readonly detail: string;
}

const ARRAY_BYTES_MAX = 512 * 1024 * 1024;

/**
 * @param idField the field whose value becomes the document's id; a number is written as text
 * @throws {CommandError} naming the file when it can't be read at all.
 */
export async function openDocuments(
  path: string,
  stdin: Readable,
  idField: string | undefined,
  onBadLine: (bad: BadLine) => void,
): Promise<DocumentSource> {
  const isStdin = path === "-";
  const totalBytes = isStdin ? undefined : await sizeOfFile(path);
  const name = isStdin ? "standard input" : path;
  const reader = new DocumentReader(name, idField, onBadLine);
  return {
    // Opened when it is read: an error before that would find no listener.
    operations: reader.operationsOf(() => (isStdin ? stdin : createReadStream(path))),
    totalBytes,
    readBytes: () => reader.readBytes,
    whereOf: (operation) => reader.whereOf(operation),
  };
}

class DocumentReader {
  readonly #name: string;
  readonly #idField: string | undefined;
  readonly #onBadLine: (bad: BadLine) => void;
  readonly #places = new WeakMap<BulkOperation, string>();
  #readBytes = 0;

  constructor(name: string, idField: string | undefined, onBadLine: (bad: BadLine) => void) {
    this.#name = name;
    this.#idField = idField;
    this.#onBadLine = onBadLine;
  }

  get readBytes(): number {
    return this.#readBytes;
  }

  whereOf(operation: BulkOperation): string {
    return this.#places.get(operation) ?? this.#name;
  }

  /** @throws {CommandError} */
  async *operationsOf(open: () => Readable): AsyncGenerator<BulkOperation> {
    try {
      yield* this.#lines(open());
    } catch (error) {
      throw unreadable(this.#name, error);
    }
  }

  async *#lines(stream: Readable): AsyncGenerator<BulkOperation> {
    const lines = createInterface({ input: stream, crlfDelay: Infinity });
    // Without a listener of its own an error of the stream would end the process.
    const broken: unknown[] = [];
    stream.once("error", (error) => {
      broken.push(error);
      lines.close();
    });
    let number = 0;
    let array: string[] | undefined;
    for await (const text of lines) {
      number += 1;
      this.#readBytes += Buffer.byteLength(text) + 1;
      const line = number === 1 ? text.replace(/^\uFEFF/, "") : text;
      if (array === undefined && line.trim() === "") continue;
      if (array === undefined && line.trimStart().startsWith("[")) array = [];
      if (array === undefined) yield* this.#take(() => parse(line), `line ${number}`);
      else array.push(line);
      if (array !== undefined && this.#readBytes > ARRAY_BYTES_MAX)
        throw new CommandError(`${this.#name}: an array of more than 512 MiB; send NDJSON`);
    }
    if (broken.length > 0) throw broken[0];
    if (array !== undefined) yield* this.#elements(array.join("\n"));
  }

  *#elements(text: string): Generator<BulkOperation> {
    let values: unknown[];
    try {
      values = parse(text) as unknown[];
    } catch (error) {
      throw new CommandError(`${this.#name}: ${(error as Error).message}`);
    }
    for (const [i, value] of values.entries()) yield* this.#take(() => value, `element ${i + 1}`);
  }

  *#take(read: () => unknown, where: string): Generator<BulkOperation> {
    let operation: BulkOperation;
    try {
      operation = toOperation(read(), this.#idField);
    } catch (error) {
      if (!(error instanceof NotADocument)) throw error;
      this.#onBadLine({ where, detail: error.message });
      return;
    }
    this.#places.set(operation, where);
    yield operation;
  }
}

class NotADocument extends Error {}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new NotADocument(`is not JSON: ${(error as Error).message}`);
  }
}

function toOperation(value: unknown, idField: string | undefined): BulkOperation {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new NotADocument("must be a JSON object");
  }
  const object = value as Record<string, unknown>;
  if (isBulkLine(object)) return object;
  const field = idField ?? "id";
  const id = object[field];
  if (id === undefined && idField === undefined) return { document: object };
  if (typeof id !== "string" && typeof id !== "number") {
    throw new NotADocument(`field ${field} must be a string or a number`);
  }
  const document = field === "id" ? withoutId(object) : object;
  return { id: String(id), document };
}

/** A line that has a document, or an action, of the bulk API is sent as it is. */
function isBulkLine(object: Record<string, unknown>): boolean {
  const isObject = typeof object["document"] === "object" && object["document"] !== null;
  return isObject || (object["action"] === "delete" && typeof object["id"] === "string");
}

function withoutId(object: Record<string, unknown>): Record<string, unknown> {
  const { id: _id, ...fields } = object;
  return fields;
}
