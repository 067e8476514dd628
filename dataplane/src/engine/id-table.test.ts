import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { compareByteOrder } from "../domain/byte-order.js";
import { BinaryReader, writeBinaryFile } from "./binary-file.js";
import { IdTable } from "./id-table.js";

const directory = mkdtempSync(join(tmpdir(), "ids-"));
afterAll(() => rmSync(directory, { recursive: true }));

function reopened(table: IdTable): IdTable {
  const path = join(directory, "ids.bin");
  writeBinaryFile(path, "IDSTEST1", (writer) => table.write(writer));
  const loaded = new IdTable();
  loaded.read(new BinaryReader(path, "IDSTEST1"));
  return loaded;
}

const id = fc.string({ unit: fc.constantFrom("a", "b", "é", "\uffff", "😀"), minLength: 1, maxLength: 5 });
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ leap: fc.constantFrom(1, 1, 1, 40, 5000), put: id }) },
  { weight: 3, arbitrary: fc.record({ remove: id }) },
  { weight: 1, arbitrary: fc.constant({ reopen: true }) },
);

test("ids and numbers find each other as in a map, through updates, removals and reloads", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 30, maxLength: 200 }), (steps) => {
      const model = new Map<string, number>();
      let table = new IdTable();
      let doc = 0;
      for (const action of steps) {
        if ("put" in action) {
          doc += action.leap;
          const before = model.get(action.put);
          // Both orders of an update are taken: removal of the old version first, or last.
          if (before !== undefined && doc % 2 === 0) table.remove(before);
          table.add(doc, action.put);
          if (before !== undefined && doc % 2 === 1) table.remove(before);
          model.set(action.put, doc);
        } else if ("remove" in action) {
          const before = model.get(action.remove);
          if (before !== undefined) table.remove(before);
          model.delete(action.remove);
        } else {
          table = reopened(table);
        }
      }
      expect(table.size).toBe(model.size);
      for (const [key, value] of model) {
        expect(table.find(key)).toBe(value);
        expect(table.idOf(value)).toBe(key);
      }
      expect(table.toBitmap().count()).toBe(model.size);
      const docs = [...model.values()];
      const byId = [...model.keys()].sort(compareByteOrder);
      expect(docs.sort((a, b) => table.compare(a, b)).map((found) => table.idOf(found))).toEqual(byId);
      expect(table.find("nobody")).toBeUndefined();
    }),
    { numRuns: 60 },
  );
});

test("a table that grew and shrank keeps finding what is left, in little memory", () => {
  const table = new IdTable();
  const documents = 50_000;
  for (let doc = 0; doc < documents; doc += 1) table.add(doc, `document-${doc}`);
  expect(table.memoryBytes / documents).toBeLessThan(64);
  const full = table.memoryBytes;
  for (let doc = 0; doc < documents; doc += 1) if (doc % 50 !== 0) table.remove(doc);
  expect(table.size).toBe(documents / 50);
  const numbers = Array.from({ length: documents }, (_, doc) => doc);
  const wrong = numbers.filter((doc) => table.find(`document-${doc}`) !== (doc % 50 === 0 ? doc : undefined));
  expect(wrong).toEqual([]);
  expect(table.memoryBytes).toBeLessThan(full / 2);
});

test("one id updated many times does not fill the table", () => {
  const table = new IdTable();
  table.add(0, "a");
  for (let doc = 1; doc < 20_000; doc += 1) {
    table.remove(doc - 1);
    table.add(doc, "a");
  }
  expect(table.find("a")).toBe(19_999);
  expect(table.memoryBytes).toBeLessThan(200_000);
});

test("an id that is empty or of a length that ids never have is a broken assumption", () => {
  expect(() => new IdTable().add(1, "")).toThrow(/0 bytes/);
  expect(() => new IdTable().add(1, "x".repeat(70_000))).toThrow(/70000 bytes/);
});
