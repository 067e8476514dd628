import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { BinaryReader, DamagedFile, writeBinaryFile } from "./binary-file.js";
import { checksum } from "./checksum.js";

const directory = mkdtempSync(join(tmpdir(), "binary-file-"));
afterAll(() => rmSync(directory, { recursive: true }));
const path = join(directory, "file.bin");

const lengths = fc.oneof(fc.nat(20), fc.constantFrom(65_535, 65_536, 70_000));
const value = fc.oneof(
  fc.record({ kind: fc.constant("number" as const), number: fc.nat(0xffffffff) }),
  fc.record({ kind: fc.constant("string" as const), string: fc.string({ unit: "binary" }) }),
  fc.record({ kind: fc.constant("bytes" as const), array: lengths.map((n) => new Uint8Array(n).fill(n)) }),
  fc.record({ kind: fc.constant("shorts" as const), array: lengths.map((n) => new Uint16Array(n).fill(n)) }),
  fc.record({ kind: fc.constant("words" as const), array: lengths.map((n) => new Uint32Array(n).fill(n)) }),
  fc.record({
    kind: fc.constant("floats" as const),
    array: lengths.map((n) => new Float64Array(n).fill(n / 7)),
  }),
);
type Value = typeof value extends fc.Arbitrary<infer V> ? V : never;

function write(values: readonly Value[]): void {
  writeBinaryFile(path, "TESTFIL1", (writer) => {
    for (const part of values) {
      if (part.kind === "number") writer.uint32(part.number);
      else if (part.kind === "string") writer.string(part.string);
      else writer.array(part.array);
    }
  });
}

function read(reader: BinaryReader, kind: Value["kind"]): unknown {
  switch (kind) {
    case "number":
      return reader.uint32();
    case "string":
      return reader.string();
    case "bytes":
      return reader.uint8Array();
    case "shorts":
      return reader.uint16Array();
    case "words":
      return reader.uint32Array();
    case "floats":
      return reader.float64Array();
  }
}

function contentOf(part: Value): unknown {
  if (part.kind === "number") return part.number;
  return part.kind === "string" ? part.string : part.array;
}

/** Large arrays are compared by their checksum, as comparing them one by one takes seconds. */
function digest(content: unknown): unknown {
  if (!ArrayBuffer.isView(content)) return content;
  const bytes = new Uint8Array(content.buffer, content.byteOffset, content.byteLength);
  return { array: content.constructor.name, byteLength: content.byteLength, checksum: checksum(bytes) };
}

test("what was written is read, arrays larger than the stage among it", () => {
  fc.assert(
    fc.property(fc.array(value, { maxLength: 12 }), (values) => {
      write(values);
      const reader = new BinaryReader(path, "TESTFIL1");
      const found = values.map(({ kind }) => digest(read(reader, kind)));
      expect(found).toEqual(values.map((part) => digest(contentOf(part))));
      expect(() => reader.uint32()).toThrow(DamagedFile);
    }),
    { numRuns: 50 },
  );
});

test("a changed or missing byte anywhere is noticed, and so is another kind of file", () => {
  write([{ kind: "string", string: "some text" }]);
  const bytes = readFileSync(path);
  const unnoticed = [...bytes.keys()].filter((i) => {
    const changed = Buffer.from(bytes);
    changed[i]! ^= 1;
    return isReadable(changed) || isReadable(bytes.subarray(0, i));
  });
  expect(unnoticed).toEqual([]);
  writeFileSync(path, bytes);
  expect(() => new BinaryReader(path, "TESTFIL2")).toThrow(/not of kind TESTFIL2/);
});

function isReadable(bytes: Uint8Array): boolean {
  writeFileSync(path, bytes);
  try {
    return new BinaryReader(path, "TESTFIL1").string().length > 0;
  } catch (error) {
    if (error instanceof DamagedFile) return false;
    throw error;
  }
}
