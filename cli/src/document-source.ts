/**
 * Documents from a file or standard input: NDJSON (one document or bulk line per line) or one JSON
 * array. Read as a stream; an array is held in memory whole, and its size is limited.
 */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { BulkOperation } from "@prism/client";
import { CommandError } from "./exit-code.js";

export interface DocumentSource {
  readonly operations: AsyncIterable<BulkOperation>;
  /** Bytes in all, for the progress bar; undefined for standard input. */
  readonly totalBytes: number | undefined;
  /** Bytes read so far. */
  readonly readBytes: () => number;
}

const ARRAY_BYTES_MAX = 512 * 1024 * 1024;

/**
 * @param idField the field whose value becomes the document's id; a number is written as text
 * @throws {CommandError} naming the file, or the line that is not right.
 */
export async function openDocuments(
  path: string,
  stdin: Readable,
  idField: string | undefined,
): Promise<DocumentSource> {
  const isStdin = path === "-";
  let totalBytes: number | undefined;
  if (!isStdin) {
    try {
      totalBytes = (await stat(path)).size;
    } catch {
      throw new CommandError(`${path}: no such file`);
    }
  }
  const stream = isStdin ? stdin : createReadStream(path);
  let read = 0;
  stream.on("data", (chunk: Buffer | string) => {
    read += chunk.length;
  });
  stream.pause();
  const name = isStdin ? "standard input" : path;
  return { operations: operationsOf(stream, name, idField), totalBytes, readBytes: () => read };
}

async function* operationsOf(
  stream: Readable,
  name: string,
  idField: string | undefined,
): AsyncGenerator<BulkOperation> {
  const lines = createInterface({ input: stream, crlfDelay: Infinity });
  let number = 0;
  let array: string[] | undefined;
  let arrayBytes = 0;
  for await (const line of lines) {
    number += 1;
    if (array === undefined && line.trim() === "") continue;
    if (array === undefined && line.trimStart().startsWith("[")) array = [];
    if (array !== undefined) {
      arrayBytes += line.length;
      if (arrayBytes > ARRAY_BYTES_MAX)
        throw new CommandError(`${name}: an array of more than 512 MiB; send NDJSON`);
      array.push(line);
      continue;
    }
    yield toOperation(parse(line, `${name}, line ${number}`), `${name}, line ${number}`, idField);
  }
  if (array === undefined) return;
  const values = parse(array.join("\n"), name) as unknown[];
  for (const [i, value] of values.entries()) yield toOperation(value, `${name}, element ${i}`, idField);
}

function parse(text: string, where: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new CommandError(`${where}: ${(error as Error).message}`);
  }
}

function toOperation(value: unknown, where: string, idField: string | undefined): BulkOperation {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new CommandError(`${where}: must be a JSON object`);
  }
  const object = value as Record<string, unknown>;
  if (isBulkLine(object)) return object;
  const field = idField ?? "id";
  const id = object[field];
  if (id === undefined && idField === undefined) return { document: object };
  if (typeof id !== "string" && typeof id !== "number") {
    throw new CommandError(`${where}: field ${field} must be a string or a number`);
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
