import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { BulkOperation } from "@prism/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDocuments, type BadLine } from "./document-source.js";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "prism-cli-"));
});
afterAll(async () => rm(directory, { recursive: true }));

interface Read {
  readonly operations: BulkOperation[];
  readonly places: string[];
  readonly bad: BadLine[];
  readonly readBytes: number;
}

async function readAll(path: string, stdin: Readable, idField?: string): Promise<Read> {
  const bad: BadLine[] = [];
  const source = await openDocuments(path, stdin, idField, (line) => bad.push(line));
  const operations: BulkOperation[] = [];
  for await (const operation of source.operations) operations.push(operation);
  return {
    operations,
    readBytes: source.readBytes(),
    places: operations.map((operation) => source.whereOf(operation)),
    bad,
  };
}

async function readText(text: string, idField?: string): Promise<Read> {
  const path = join(directory, "documents");
  await writeFile(path, text);
  return readAll(path, Readable.from([]), idField);
}

async function read(text: string, idField?: string): Promise<BulkOperation[]> {
  const { operations, bad } = await readText(text, idField);
  expect(bad).toEqual([]);
  return operations;
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

  it("that are none are reported with their line, and the others go on", async () => {
    const { operations, places, bad } = await readText('{"id":"a"}\n\n{broken\n7\n{"id":true}\n{"id":"b"}\n');
    expect(operations.map((operation) => operation.id)).toEqual(["a", "b"]);
    expect(places).toEqual(["line 1", "line 6"]);
    expect(bad).toMatchObject([
      { where: "line 3", detail: expect.stringContaining("is not JSON") as string },
      { where: "line 4", detail: "must be a JSON object" },
      { where: "line 5", detail: "field id must be a string or a number" },
    ]);
    const array = await readText('[{"n":1}, 3]', "key");
    expect(array.operations).toEqual([]);
    expect(array.bad.map((line) => line.where)).toEqual(["element 1", "element 2"]);
  });

  it("of an array that is not JSON are none", async () => {
    await expect(readText("[1,")).rejects.toThrow(/documents: is not JSON/);
  });

  it("are counted in bytes as they are handed on", async () => {
    const text = '{"id":"a","n":"ü"}\n{"id":"b"}\n';
    expect((await readText(text)).readBytes).toBe(Buffer.byteLength(text));
  });

  it("may begin with a byte order mark", async () => {
    expect(await read('\uFEFF{"id":"ü"}\n')).toEqual([{ id: "ü", document: {} }]);
  });

  it("come from standard input when the file is -", async () => {
    const { operations, bad } = await readAll("-", Readable.from(['{"id":"a"}\n']));
    expect(operations).toEqual([{ id: "a", document: {} }]);
    expect(bad).toEqual([]);
  });

  it("of a directory, or of nothing, are refused by name", async () => {
    await expect(readAll(directory, Readable.from([]))).rejects.toThrow(`${directory}: is a directory`);
    await expect(readAll("/nonexistent", Readable.from([]))).rejects.toThrow("/nonexistent: no such file");
    const failing = new Readable({ read: () => failing.destroy(new Error("gone")) });
    await expect(readAll("-", failing)).rejects.toThrow("standard input: gone");
  });
});
