import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { BulkOperation } from "@prism/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDocuments } from "./document-source.js";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "prism-cli-"));
});
afterAll(async () => rm(directory, { recursive: true }));

async function read(text: string, idField?: string): Promise<BulkOperation[]> {
  const path = join(directory, "documents");
  await writeFile(path, text);
  const source = await openDocuments(path, Readable.from([]), idField);
  return collect(source.operations);
}

async function collect(operations: AsyncIterable<BulkOperation>): Promise<BulkOperation[]> {
  const collected: BulkOperation[] = [];
  for await (const operation of operations) collected.push(operation);
  return collected;
}

describe("documents of a file", () => {
  it("are one JSON object a line, empty lines apart", async () => {
    expect(await read('{"id":"a","n":1}\n\n{"n":2}\n')).toEqual([
      { id: "a", document: { n: 1 } },
      { document: { n: 2 } },
    ]);
  });

  it("may be one JSON array over many lines", async () => {
    expect(await read('[\n {"id": "a"},\n {"id": "b"}\n]\n')).toEqual([
      { id: "a", document: {} },
      { id: "b", document: {} },
    ]);
  });

  it("take their id from the field named, which stays in the document", async () => {
    expect(await read('{"key":7,"n":1}', "key")).toEqual([{ id: "7", document: { key: 7, n: 1 } }]);
  });

  it("may be lines of the bulk API", async () => {
    const lines = '{"action":"delete","id":"a"}\n{"id":"b","document":{"n":1}}';
    expect(await read(lines)).toEqual([
      { action: "delete", id: "a" },
      { id: "b", document: { n: 1 } },
    ]);
  });

  it("name the line that is not right", async () => {
    await expect(read('{"id":"a"}\n{broken')).rejects.toThrow(/line 2/);
    await expect(read('{"id":"a"}\n7')).rejects.toThrow(/line 2: must be a JSON object/);
    await expect(read('{"n":1}', "key")).rejects.toThrow(/line 1: field key/);
  });

  it("come from standard input when the file is -", async () => {
    const source = await openDocuments("-", Readable.from(['{"id":"a"}\n']), undefined);
    expect(source.totalBytes).toBeUndefined();
    expect(await collect(source.operations)).toEqual([{ id: "a", document: {} }]);
  });
});
